// Runs before the first paint, so that a dark page never flashes white.
const stored = (localStorage.getItem("adminTheme") ?? "").replaceAll('"', "");
const dark = stored === "dark" || (stored !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.classList.add(dark ? "dark" : "light");

export {};
