// Workflows that the tests run.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const shipped = (name) => readFileSync(join(process.env.ROOT, "workflows", `${name}.yaml`), "utf8");

// Starts many others: each item is a run of `small.yaml`, done at once.
export const MANY = `
pawl: 1
workflow: many
version: 1.0.0
inputs: { items: array }
workflows: { small: ./tests/console/small.yaml }
steps:
  - id: each
    map:
      items: inputs.items
      as: thing
      max_parallel: 100
      steps:
        - { id: run, workflow: small, with: { number: "\${{ thing }}" } }
outputs: { count: "\${{ steps.each.output | length }}" }
`;

// A form with something to get wrong.
export const FORM = `
pawl: 1
workflow: leave
version: 1.0.0
inputs:
  who: { type: string, minLength: 2, description: Who wants to be away. }
  days: { type: integer, minimum: 1, maximum: 30 }
steps:
  - id: ask
    human:
      title: May \${{ inputs.who }} be away for \${{ inputs.days }} days?
      actions: [approve, reject]
      form:
        type: object
        required: [until]
        properties:
          until: { type: string, format: date, description: The last day. }
          cover: { type: string, enum: [ann, bob], description: Who does the work meanwhile. }
  - { id: note, set: { until: "\${{ steps.ask.output.data.until | default(none) }}" } }
outputs:
  answer: \${{ steps.ask.output.action }}
  until: \${{ steps.note.output.until }}
`;

// Goes on each time that it hears of it, so that a test says when.
export const STEPWISE = `
pawl: 1
workflow: stepwise
version: 1.0.0
steps:
  - { id: first, signal: { name: go } }
  - { id: second, signal: { name: go } }
  - { id: third, set: { done: true } }
outputs: { done: "\${{ steps.third.output.done }}" }
`;

// Four events for each item.
export const LONG = `
pawl: 1
workflow: long
version: 1.0.0
inputs: { items: array }
steps:
  - id: each
    map:
      items: inputs.items
      as: thing
      steps:
        - { id: keep, set: { thing: "\${{ thing }}" } }
outputs: { count: "\${{ steps.each.output | length }}" }
`;
