// The console begins here: who is asking, then the page that the address names.
import { api, isMissing, picked, signedOut, token } from "./api.js";
import { begin } from "./live.js";
import { useRoute } from "./router.js";
import { announced, html, render, useEffect, useShared, useState } from "./ui.js";
import { Frame } from "./shell.js";
import { SignIn } from "./pages/signin.js";
import { Runs } from "./pages/runs.js";
import { Run } from "./pages/run.js";
import { Inbox } from "./pages/inbox.js";
import { Workflows } from "./pages/workflows.js";
import { Workflow } from "./pages/workflow.js";
import { Plugins } from "./pages/plugins.js";
import { System } from "./pages/system.js";
import { Empty, Title, Trouble } from "./parts/small.js";

const PAGES = {
  runs: (parts) => (parts[1] ? html`<${Run} key=${parts[1]} id=${parts[1]} />` : html`<${Runs} />`),
  inbox: () => html`<${Inbox} />`,
  workflows: (parts) => (parts[1] ? html`<${Workflow} key=${parts[1]} name=${parts[1]} />` : html`<${Workflows} />`),
  plugins: (parts) => html`<${Plugins} chosen=${parts[1]} />`,
  system: () => html`<${System} />`,
};

function Page() {
  const { parts } = useRoute();
  const page = PAGES[parts[0]];
  return page ? page(parts) : html`<${Title} text="Nothing here" /><${Empty}>There is no such page; choose one of the list.</${Empty}>`;
}

function App() {
  const out = useShared(signedOut);
  const said = useShared(announced);
  const [me, setMe] = useState();
  const [error, setError] = useState();

  const ask = async () => {
    setError(undefined);
    try {
      setMe(await api.me());
    } catch (found) {
      if (found.status === 401) return;
      // The namespace that was picked is not there, or not for who signed in since.
      if (found.status === 404 && picked.get()) {
        picked.set("");
        return ask();
      }
      // An older server says nothing of who asks; then it asks nobody.
      if (!isMissing(found)) return setError(found);
      setMe({});
    }
    begin();
  };
  useEffect(() => void ask(), []);

  const signIn = async (secret) => {
    token.set(secret);
    signedOut.set(false);
    await ask();
  };
  const leave = () => {
    token.set("");
    picked.set("");
    location.reload();
  };

  const inside = out
    ? html`<${SignIn} signIn=${signIn} refused=${Boolean(token.get())} />`
    : error
      ? html`<main class="alone"><${Trouble} error=${error} again=${ask} /></main>`
      : me && html`<${Frame} me=${me} leave=${leave}><${Page} /></${Frame}>`;
  return html`${inside}<p class="unseen" role="status" aria-live="polite">${said}</p>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
