// Checks a value against a JSON Schema as far as forms need it. The server checks again, and has the last word.

const typesOf = (schema) => (Array.isArray(schema.type) ? schema.type : schema.type ? [schema.type] : []);

// The type that a field is drawn as; nothing where only JSON will do.
export function typeOf(schema) {
  if (schema.enum || "const" in schema) return "enum";
  const named = typesOf(schema).filter((type) => type !== "null");
  if (named.length === 1) return named[0];
  if (!named.length && schema.properties) return "object";
  return undefined;
}

// `$ref` into the schema itself.
export function resolve(schema, root, depth = 0) {
  const ref = schema?.$ref;
  if (typeof ref !== "string" || !ref.startsWith("#") || depth > 10) return schema ?? {};
  const found = ref
    .slice(2)
    .split("/")
    .filter(Boolean)
    .reduce((at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root);
  return resolve({ ...found, ...schema, $ref: found?.$ref }, root, depth + 1);
}

export const isRequired = (schema, name) => (schema.required ?? []).includes(name);

// What a form begins with: what the schema says by default, and nothing else.
export function initial(schema, root = schema) {
  const here = resolve(schema, root);
  if (here.default !== undefined) return here.default;
  if ("const" in here) return here.const;
  if (typeOf(here) !== "object") return undefined;
  const entries = Object.entries(here.properties ?? {}).map(([name, inner]) => [name, initial(inner, root)]);
  const known = entries.filter(([, value]) => value !== undefined);
  return known.length ? Object.fromEntries(known) : undefined;
}

// A schema that fits a value: for values of which nothing else is known.
export function inferred(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    const type = typeof value;
    return ["string", "number", "boolean"].includes(type) ? { type } : {};
  }
  return { type: "object", properties: Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inferred(inner)])) };
}

const FORMATS = {
  email: [/^[^@\s]+@[^@\s]+$/, "an e-mail address"],
  uri: [/^[a-z][a-z0-9+.-]*:\S+$/i, "an address such as https://example.org"],
  date: [/^\d{4}-\d{2}-\d{2}$/, "a date such as 2026-11-30"],
  "date-time": [/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/, "an instant such as 2026-11-30T14:00:00Z"],
};

const article = (type) => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);

const TESTS = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number" && Number.isFinite(value),
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  null: (value) => value === null,
};

function texts(schema, value) {
  const length = [...value].length;
  if (schema.minLength > length) return schema.minLength === 1 ? "must not be empty" : `needs at least ${schema.minLength} characters`;
  if (length > schema.maxLength) return `has ${length} characters; ${schema.maxLength} are allowed`;
  const [pattern, what] = FORMATS[schema.format] ?? [];
  if (pattern && !pattern.test(value)) return `must be ${what}`;
  try {
    if (schema.pattern && !new RegExp(schema.pattern, "u").test(value)) return `must match ${schema.pattern}`;
  } catch {
    // A pattern that this browser cannot read is the server's to check.
  }
  return undefined;
}

function numbers(schema, value) {
  if (value < schema.minimum) return `must be at least ${schema.minimum}`;
  if (value > schema.maximum) return `must be at most ${schema.maximum}`;
  if (value <= schema.exclusiveMinimum) return `must be more than ${schema.exclusiveMinimum}`;
  if (value >= schema.exclusiveMaximum) return `must be less than ${schema.exclusiveMaximum}`;
  if (schema.multipleOf && Math.abs(value / schema.multipleOf - Math.round(value / schema.multipleOf)) > 1e-9) {
    return `must be a multiple of ${schema.multipleOf}`;
  }
  return undefined;
}

function lists(schema, value) {
  if (schema.minItems > value.length) return `needs at least ${schema.minItems}`;
  if (value.length > schema.maxItems) return `has ${value.length}; ${schema.maxItems} are allowed`;
  return undefined;
}

// Adds `pointer → message` to `errors` for each thing that does not fit. A pointer is as in RFC 6901.
export function check(schema, value, root = schema, pointer = "", errors = {}) {
  const here = resolve(schema, root);
  const wrong = (message) => ((errors[pointer] ??= message), errors);
  if (value === undefined) return errors;
  if (here.enum && !here.enum.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
    return wrong(`must be one of ${here.enum.map((one) => JSON.stringify(one)).join(", ")}`);
  }
  const types = typesOf(here);
  if (types.length && !types.some((type) => TESTS[type]?.(value))) {
    return wrong(`must be ${types.map((type) => article(type === "integer" ? "whole number" : type)).join(" or ")}`);
  }
  const message =
    (typeof value === "string" && texts(here, value)) ||
    (typeof value === "number" && numbers(here, value)) ||
    (Array.isArray(value) && lists(here, value));
  if (message) wrong(message);
  if (Array.isArray(value) && here.items) value.forEach((item, at) => check(here.items, item, root, `${pointer}/${at}`, errors));
  if (TESTS.object(value)) fields(here, value, root, pointer, errors);
  return errors;
}

const key = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

function fields(schema, value, root, pointer, errors) {
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) errors[`${pointer}/${key(name)}`] ??= "is required";
  }
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    check(inner, value[name], root, `${pointer}/${key(name)}`, errors);
  }
}

// What the server said of a form, at the fields that it names: `/amount: 3 is not …`, `"amount" is a required property`.
// Gives the errors by pointer, and what belongs to no field.
export function placed(problem, known) {
  const errors = {};
  const rest = [];
  for (const text of told(problem)) {
    const [, at, message] = /(?:^|: )(\/[^\s:]*): (.*)$/s.exec(text) ?? [];
    const [, missing] = /"([^"]+)" is a required property/.exec(text) ?? [];
    const pointer = at ?? (missing && `/${key(missing)}`);
    if (pointer && known(pointer)) errors[pointer] ??= message ?? "is required";
    else rest.push(text);
  }
  return { errors, rest };
}

function told(problem) {
  const list = problem.errors;
  if (Array.isArray(list) && list.length) {
    return list.map((one) => {
      if (typeof one === "string") return one;
      const at = one.pointer ?? one.path ?? one.place ?? one.field;
      const text = one.message ?? one.detail ?? JSON.stringify(one);
      return at ? `${String(at).startsWith("/") ? at : `/${at}`}: ${text}` : text;
    });
  }
  return problem.message.split("; ");
}
