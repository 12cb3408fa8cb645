import assert from "node:assert/strict";
import { test } from "node:test";
import { greet } from "../src/{{module}}.js";

test("whoever has a name is greeted", () => {
  assert.deepEqual(greet({ name: "Ada" }), { text: "Good morning, Ada." });
  assert.throws(() => greet({ name: " " }), { kind: "permanent" });
});
