// Who asks, where the server wants to know.
import { html, useEffect, useRef, useState } from "../ui.js";

export function SignIn({ signIn, refused }) {
  const [text, setText] = useState("");
  const field = useRef(null);
  useEffect(() => {
    document.title = "sign in · pawl";
    field.current?.focus();
  }, []);
  const send = (event) => {
    event.preventDefault();
    if (text.trim()) signIn(text.trim());
  };
  return html`
    <main class="alone">
      <form class="card sign-in" onSubmit=${send}>
        <h1><img src="/console/icon.svg" alt="" width="26" height="26" /> pawl</h1>
        <p>This server wants to know who you are. Make a token with <code>pawl token create</code>, or ask who runs the server for one.</p>
        <div class=${refused ? "field is-wrong" : "field"}>
          <label for="token">token</label>
          <input id="token" ref=${field} type="password" autocomplete="off" spellcheck="false" required value=${text}
            aria-invalid=${refused ? "true" : undefined} aria-describedby="token-hint" onInput=${(event) => setText(event.target.value)} />
          ${refused && html`<p class="error" role="alert">The server does not take this token: it may be expired or revoked.</p>`}
          <p class="hint" id="token-hint">It is kept until this tab is closed, and sent to this server only.</p>
        </div>
        <button class="primary">sign in</button>
      </form>
    </main>`;
}
