// What the host gives, for editors. `wit/deps/plugin.wit` is what holds.

declare module "pawl:plugin/log@0.1.0" {
  const log: { write(level: "debug" | "info" | "warn" | "error", message: string): void };
  export default log;
}
declare module "pawl:plugin/clock@0.1.0" {
  const clock: { now(): number };
  export default clock;
}
declare module "pawl:plugin/random@0.1.0" {
  const random: { next(): number };
  export default random;
}
declare module "pawl:plugin/tools@0.1.0" {
  type Failure = { kind: string; message: string; details: string | null; retryAfterMs: number | null };
  type Info = { name: string; summary: string; inputSchema: string; outputSchema: string; effect: string };
  type Result = { tag: "ok"; val: string } | { tag: "err"; val: Failure };
  const tools: {
    list(): Info[];
    call(name: string, input: string): string;
    callAll(calls: { name: string; arguments: string }[]): Result[];
  };
  export default tools;
}
declare module "pawl:plugin/human@0.1.0" {
  type Question = {
    title: string;
    to: string[];
    actions: string[];
    form: string | null;
    subject: string | null;
    dueMs: number | null;
    onTimeout: string | null;
  };
  const human: { ask(question: Question): { action: string; data: string; by: string } };
  export default human;
}
declare module "pawl:plugin/memory@0.1.0" {
  const memory: { get(key: string): string | null; put(key: string, value: string): void };
  export default memory;
}
declare module "pawl:plugin/secrets@0.1.0" {
  const secrets: { get(name: string): string };
  export default secrets;
}
declare module "pawl:plugin/timers@0.1.0" {
  const timers: { sleep(durationMs: number): void };
  export default timers;
}
