"""The live console: who works on what now, what happens, what needs a person, and the orders of an operator."""
