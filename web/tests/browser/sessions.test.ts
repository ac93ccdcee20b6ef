// The list of conversations, signing in, and two people's devices.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, ask, byId, launch, open, person, questions } from "./desk";
import { FakeModel, slowScript } from "./model";
import { OWNER_KEY, Server } from "./server";

let browser: Browser, server: Server, model: FakeModel;
beforeAll(async () => {
  model = await FakeModel.start();
  [server, browser] = await Promise.all([
    Server.start({ ANTIPHON_CHAT_BASE_URL: model.baseUrl, ANTIPHON_CHAT_MODEL: "fake", ANTIPHON_OWNER_KEY: OWNER_KEY }), launch(),
  ]);
  await server.call("POST", "/users", { name: "ann", password: "a long password 1" });
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  model.stop();
});

test("signing in by name, a wrong password, the place one wanted, signing out", async () => {
  const context = await person(browser);
  const page = await context.newPage();
  await page.goto(`${server.url}/documents`);
  await page.getByLabel("Name").fill("ann");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator('[role="alert"]:not(:empty)').waitFor();
  await page.getByLabel("Password").fill("a long password 1");
  await page.getByRole("button", { name: "Sign in" }).click();
  await byId(page, "account-menu").waitFor();
  expect(page.url()).toBe(`${server.url}/documents`);
  await byId(page, "account-menu").click();
  await byId(page, "sign-out").click();
  await page.getByLabel("Password").waitFor();
  await context.close();
});

test("the owner's one-time link works once, and its token leaves the address", async () => {
  // With a key given at the start no link is printed; a server without one prints it.
  const other = await Server.start({ ANTIPHON_CHAT_BASE_URL: model.baseUrl, ANTIPHON_CHAT_MODEL: "fake", ANTIPHON_SAMPLE: "false", ANTIPHON_OWNER_KEY: "" });
  try {
    const printed = (): string => /http:\/\/\S+\/sign-in#\S+/.exec(other.output)?.[0] ?? "";
    await expect.poll(printed).not.toBe("");
    const link = printed();
    const context = await person(browser);
    const page = await context.newPage();
    await page.goto(link);
    expect(page.url()).toBe(`${other.url}/sign-in`);
    await byId(page, "sign-in-owner").click();
    await byId(page, "composer").waitFor();
    await context.close();
    const again = await person(browser);
    const second = await again.newPage();
    await second.goto(link);
    await byId(second, "sign-in-owner").click();
    await second.locator('[role="alert"]:not(:empty)').waitFor();
    await again.close();
  } finally {
    await other.stop();
  }
});

test("conversations: titled by the question, renamed, pinned, searched, deleted with undo, seen on another device", async () => {
  const sign = async (): Promise<Awaited<ReturnType<typeof person>>> => {
    const context = await person(browser);
    await context.request.post(`${server.url}/api/v1/auth/login`, { data: { name: "ann", password: "a long password 1" }, headers: { Origin: server.url } });
    return context;
  };
  const workspace = /"id":"(ws_\w+)"/.exec(JSON.stringify(await server.call("GET", "/workspaces")))?.[1] ?? "";
  const ann = /"id":"(usr_\w+)","name":"ann"/.exec(JSON.stringify(await server.call("GET", "/users")))?.[1] ?? "";
  await server.call("PUT", `/workspaces/${workspace}/members/${ann}`, { role: "editor" });
  model.script = slowScript(4, 5);
  const context = await sign();
  const page = await open(context, server.url);
  const elsewhere = await sign();
  const other = await open(elsewhere, server.url);
  for (const question of ["How long is the annual leave?", "What does the flow meter measure?"]) {
    await page.keyboard.press("Control+Shift+O");
    await page.waitForURL(url => url.pathname === "/");
    await ask(page, question);
    await page.waitForURL(/\/c\//);
    await answered(page);
  }
  const titles = (): Promise<string[]> => page.locator('[data-testid="session-row"] .session-title').allInnerTexts();
  await expect.poll(titles).toEqual(["What does the flow meter measure?", "How long is the annual leave?"]);
  await expect.poll(() => other.locator('[data-testid="session-row"] .session-title').allInnerTexts()).toEqual(await titles());
  const row = byId(page, "session-row").nth(1);
  const choose = async (name: string): Promise<void> => {
    await row.hover();
    await row.getByRole("button").click();
    await page.getByRole("menuitem", { name }).click();
  };
  await choose("Rename");
  await page.getByLabel("New title").fill("Leave");
  await page.getByLabel("New title").press("Enter");
  await expect.poll(titles).toEqual(["Leave", "What does the flow meter measure?"]); // last changed first
  await choose("Pin"); // of the second: it goes before
  await expect.poll(titles).toEqual(["What does the flow meter measure?", "Leave"]);
  await page.getByRole("heading", { name: "Pinned" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("flow");
  await expect.poll(titles).toEqual(["What does the flow meter measure?"]);
  await page.getByLabel("Search conversations").fill("");
  await expect.poll(async () => (await titles()).length).toBe(2);
  await choose("Delete");
  await expect.poll(titles).toEqual(["What does the flow meter measure?"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(async () => (await titles()).length).toBe(2);
  await byId(page, "session-row").nth(1).getByRole("link").click();
  await expect.poll(() => questions(page).allInnerTexts()).toEqual(["How long is the annual leave?"]);
  await elsewhere.close();
  await context.close();
});
