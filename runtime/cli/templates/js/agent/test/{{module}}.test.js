import assert from "node:assert/strict";
import { test } from "node:test";
import { title } from "../src/{{module}}.js";

test("the question names item and amount", () => {
  assert.equal(title({ item: "desk lamp", amount: 49.9 }), "Refund 49.90 EUR for the desk lamp?");
});
