// What is being written: the definition, the server's word on it, and the way back. The server alone says what a
// change of the picture does and how a text reads; the page keeps no second truth.
import type { Drawing, Layout } from "../layout";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Facts = { [name: string]: Json };

export interface Finding {
  node: string;
  problem: string;
  cure: string;
  level: "error" | "advice";
}

export interface Answer {
  content: Facts;
  text: string | null;
  drawing: Drawing;
  findings: Finding[];
  changes: string[];
  focus: string;
}

interface Snapshot {
  content: Facts;
  layout: Layout;
}

export interface Change {
  deed: "add" | "remove" | "rename" | "connect" | "start";
  node?: string;
  to?: string;
}

export type Outcome = { answer: Answer } | { refused: string; findings: Finding[] } | { lost: true };

const MOST_STEPS_BACK = 100;

export class Draft {
  content: Facts = {};
  layout: Layout = {};
  findings: Finding[] = [];
  /** What was drawn or filled in and is not in the text yet. */
  isAhead = false;
  /** The text cannot be read as it stands: the picture shows what could be read last, and is not to overwrite it. */
  isTextBroken = false;
  private past: Snapshot[] = [];
  private future: Snapshot[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly address: string,
    private readonly token: string,
  ) {}

  get nodes(): Record<string, Facts> {
    const { nodes } = this.content;
    return nodes && typeof nodes === "object" && !Array.isArray(nodes) ? (nodes as Record<string, Facts>) : {};
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Remember what is there, so that it can be had back. */
  remember(): void {
    this.past.push(this.snapshot());
    if (this.past.length > MOST_STEPS_BACK) this.past.shift();
    this.future = [];
  }

  back(): boolean {
    return this.step(this.past, this.future);
  }

  forth(): boolean {
    return this.step(this.future, this.past);
  }

  /** Have a change of the picture made; one after the other, each on what the one before made. */
  change(change: Change): Promise<Outcome> {
    return this.ask(() => ({ content: JSON.stringify(this.content), change: JSON.stringify(change) }), true);
  }

  /** Have the definition looked at as it stands. */
  check(): Promise<Outcome> {
    return this.ask(() => ({ content: JSON.stringify(this.content) }), false);
  }

  /** Change something by hand, when its turn has come: on what all changes before made of it. */
  put(change: (content: Facts) => Facts): Promise<Outcome> {
    return this.ask(() => {
      this.remember();
      this.content = change(this.content);
      return { content: JSON.stringify(this.content) };
    }, false);
  }

  /** Read a text; what it says takes the place of the picture. */
  read(text: string, isFirst = false): Promise<Outcome> {
    return this.ask(() => ({ text }), !isFirst, true);
  }

  private ask(asked: () => Record<string, string>, remembers: boolean, isText = false): Promise<Outcome> {
    if (!isText) this.isAhead = true;
    const answered = this.queue.then(() => this.send(asked(), remembers));
    this.queue = answered.catch(() => undefined);
    return answered;
  }

  private async send(body: Record<string, string>, remembers: boolean): Promise<Outcome> {
    let response: Response;
    try {
      response = await fetch(this.address, {
        method: "POST",
        body: new URLSearchParams({ ...body, csrfmiddlewaretoken: this.token }),
        headers: { Accept: "application/json" },
      });
    } catch {
      return { lost: true };
    }
    if (!response.ok && response.status !== 422) return { lost: true };
    const said = (await response.json()) as Answer | { refused: string; findings: Finding[] };
    if ("refused" in said) {
      this.isTextBroken = "text" in body;
      return said;
    }
    const answer = said;
    if (remembers && JSON.stringify(answer.content) !== JSON.stringify(this.content)) this.remember();
    this.content = answer.content;
    this.findings = answer.findings;
    this.isAhead = false;
    this.isTextBroken = false;
    return { answer };
  }

  private step(from: Snapshot[], to: Snapshot[]): boolean {
    const found = from.pop();
    if (!found) return false;
    to.push(this.snapshot());
    this.content = found.content;
    this.layout = found.layout;
    return true;
  }

  private snapshot(): Snapshot {
    return { content: structuredClone(this.content), layout: structuredClone(this.layout) };
  }
}
