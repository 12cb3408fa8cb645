// How it looks: both themes, a phone, and what the page says of itself.
import { PHONE, assert, equal } from "./lib.mjs";
import { FORM, shipped } from "./flows.mjs";

// What a picture of a place is called.
const called = (place) => place.replace(/runs.*tab=/, "run-").replace(/inbox\/.*/, "answer");
const PLACES = ["runs", "inbox", "workflows", "plugins", "system"];
const paper = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const brightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;

export async function it_is_dark_where_the_system_is_and_where_it_is_told({ server, browser }) {
  const dark = await browser.page(server, { colorScheme: "dark" });
  await dark.see("runs");
  await dark.getByRole("heading", { name: "Runs" }).waitFor();
  assert(brightness(await paper(dark)) < 60, "a dark system has a dark page");
  await dark.shot("dark-runs");
  await dark.getByLabel("theme").selectOption("light");
  assert(brightness(await paper(dark)) > 200, "what is chosen comes before the system");
  await dark.reload();
  await dark.getByRole("heading", { name: "Runs" }).waitFor();
  assert(brightness(await paper(dark)) > 200, "it is still so when the page is loaded again");
  await dark.getByLabel("theme").selectOption("system");
  assert(brightness(await paper(dark)) < 60, "the system again");
  await dark.end();
}

// Relative luminance as WCAG has it.
function luminance(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
    const value = Number(part) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export async function text_can_be_read_in_both_themes({ server, browser }) {
  const run = await server.begin(FORM, { who: "gil", days: 1 });
  await server.until(run.id, (found) => found.status === "waiting");
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.page(server, { colorScheme });
    await page.see(`runs/${run.id}`);
    await page.locator(".approval").waitFor();
    const found = await page.evaluate(() => {
      const behind = (node) => {
        for (let at = node; at; at = at.parentElement) {
          const colour = getComputedStyle(at).backgroundColor;
          if (!/rgba\(0, 0, 0, 0\)|transparent/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
      };
      const texts = [...document.querySelectorAll("#app *:not(svg *)")].filter((node) =>
        [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()) && node.getClientRects().length);
      return texts.map((node) => ({ text: node.innerText.slice(0, 30), ink: getComputedStyle(node).color, paper: behind(node) }));
    });
    assert(found.length > 20, "there are texts");
    for (const { text, ink, paper: under } of found) {
      const [light, dim] = [luminance(ink), luminance(under)].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dim + 0.05);
      assert(ratio >= 4.5, `${colorScheme}: "${text}" has a contrast of ${ratio.toFixed(2)} (${ink} on ${under})`);
    }
    await page.end();
  }
}

export async function a_phone_shows_every_page_without_scrolling_sideways({ server, browser }) {
  const run = await server.begin(shipped("guarded"));
  const waiting = await server.until(run.id, (found) => found.status === "waiting");
  const page = await browser.page(server, { viewport: PHONE, isMobile: true, hasTouch: true });
  const places = [...PLACES, `inbox/${waiting.waiting.approval}`, ...["steps", "timeline", "agents", "journal", "data"].map((tab) => `runs/${run.id}?tab=${tab}`)];
  for (const place of places) {
    await page.see(place);
    await page.locator("h1:visible, .approval h2:visible").first().waitFor();
    await page.waitForLoadState("load");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `${place} is ${wide} px wider than the phone`);
    await page.shot(`phone-${called(place)}`);
  }
  // Nothing that is to be touched is too small for a finger.
  await page.see(`inbox/${waiting.waiting.approval}`);
  const buttons = page.getByRole("group", { name: "answer" }).getByRole("button");
  for (const button of await buttons.all()) assert((await button.boundingBox()).height >= 40, "a button is large enough");
  await page.getByRole("group", { name: "answer" }).getByRole("button", { name: "reject" }).tap();
  await page.getByText("answered reject").waitFor();
  await page.end();
}

export async function everything_that_can_be_used_has_a_name({ server, browser }) {
  const run = await server.begin(shipped("research"));
  await server.until(run.id, (found) => found.status === "completed");
  const page = await browser.page(server);
  for (const place of [...PLACES, ...["steps", "timeline", "agents", "journal", "data"].map((tab) => `runs/${run.id}?tab=${tab}`)]) {
    await page.see(place);
    await page.locator("h1").first().waitFor();
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("button, a[href], input, select, textarea, [role=button]")]
        .filter((node) => node.checkVisibility())
        .filter((node) => !(node.innerText?.trim() || node.getAttribute("aria-label") || node.labels?.length || node.querySelector?.("[aria-label]")))
        .map((node) => node.outerHTML.slice(0, 120)));
    equal(nameless, [], `${place}: what has no name`);
    equal(await page.locator("h1").count(), 1, `${place}: titles`);
    equal(await page.locator("main").count(), 1, `${place}: main parts`);
    await page.shot(`desk-${called(place)}`);
  }
  await page.end();
}

export async function values_of_a_run_are_text_whatever_stands_in_them({ server, browser }) {
  const bad = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>";
  const run = await server.begin(FORM, { who: bad, days: 2 });
  await server.until(run.id, (found) => found.status === "waiting");
  const page = await browser.page(server);
  for (const tab of ["steps", "journal", "data", "timeline"]) {
    await page.see(`runs/${run.id}?tab=${tab}`);
    await page.locator("h1").waitFor();
    await page.locator(tab === "data" ? ".value" : ".row").first().waitFor();
    equal(await page.locator('img[src="x"], #app script').count(), 0, `${tab}: elements out of a value`);
    assert(!(await page.title()).includes("pwned"), `${tab}: a script of a value ran`);
  }
  await page.end();
}

export async function a_plugin_shows_what_it_asks_for_and_may_have({ server, browser }) {
  const page = await browser.page(server);
  await page.see("plugins/http");
  const grants = page.locator("table", { hasText: "may have at most" });
  await grants.getByText("http", { exact: true }).waitFor();
  await grants.getByText("what the step grants").first().waitFor();
  await page.getByText("Nobody is asked: it ships with pawl").waitFor();
  await page.see("plugins/calc");
  await page.getByText("It asks for nothing.").waitFor();
  await page.end();
}
