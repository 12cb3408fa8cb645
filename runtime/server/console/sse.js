// Server-sent events out of a body that arrives in pieces.

// Gives `{name, id, data}` for each event; `alive` is called for whatever arrives, comments included.
export async function* read(body, alive) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let fields = { data: [] };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line) {
          take(fields, line);
          continue;
        }
        if (fields.data.length) yield event(fields);
        fields = { data: [] };
      }
    }
  } finally {
    reader.releaseLock();
  }
}

function take(fields, line) {
  if (line.startsWith(":")) return;
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data") fields.data.push(value);
  else if (name === "event" || name === "id") fields[name] = value;
}

function event({ event: name = "message", id, data }) {
  const text = data.join("\n");
  try {
    return { name, id, data: JSON.parse(text) };
  } catch {
    return { name, id, data: text };
  }
}
