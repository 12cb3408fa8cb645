// Runs each test against a server of its own kind: one for all that share nothing, a new one for what kills it.
import { Browser, Server } from "./lib.mjs";
import * as parts from "./parts.mjs";
import * as people from "./people.mjs";
import * as live from "./live.mjs";
import * as look from "./look.mjs";
import * as sign from "./sign.mjs";
import * as size from "./size.mjs";

const wanted = process.argv[2] ?? "";
const browser = new Browser();
await browser.start();
let passed = 0;
let failed = 0;
for (const part of [parts, people, live, look, sign, size]) {
  const server = new Server();
  await server.start();
  for (const [name, test] of Object.entries(part)) {
    if (!name.includes(wanted)) continue;
    const begin = performance.now();
    try {
      await test({ server, browser });
      passed += 1;
      console.log(`ok      ${name.replaceAll("_", " ")} (${Math.round(performance.now() - begin)} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name.replaceAll("_", " ")}: ${error.stack ?? error}`);
    }
  }
  await server.stop();
}
await browser.stop();
console.log(`console: ${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
