// `make screens`: the main views as pictures in docs/screens, for the readers of the READMEs and for ourselves to look at.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { answered, ask, byId, grown, launch, open, person } from "../browser/desk";
import { FakeModel, pause, slowScript } from "../browser/model";
import { Server } from "../browser/server";

const FOLDER = join(import.meta.dirname, "../../../docs/screens");
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } as const;
const WIDE = { viewport: { width: 1440, height: 900 } } as const;
let browser: Browser, server: Server, model: FakeModel;
beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  model = await FakeModel.start();
  [server, browser] = await Promise.all([Server.start({ ANTIPHON_CHAT_BASE_URL: model.baseUrl, ANTIPHON_CHAT_MODEL: "fake" }), launch()]);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  model.stop();
});

const TALKS = {
  en: {
    locale: "en-US", question: "How many days of annual leave do full-time employees have, and when must it be taken?",
    answer: "Everybody who works full time has **28 days** of annual leave; from the fifth year it is 30 [1]. Part-time employees have a share of it [2].\n\n| Years with us | Days |\n|---|---:|\n| up to 4 | 28 |\n| 5 and more | 30 |\n\nUp to five days may be carried over and must be taken by the end of March [3].",
    second: "Who decides when two people want the same week?",
    secondAnswer: "The team decides together. Whoever has **children of school age** goes before during school holidays [1]; otherwise the earlier request counts [2].",
  },
  zh: {
    locale: "zh-CN", question: "全职员工有多少天年假？什么时候休完？",
    answer: "全职员工每年有 **15 天** 带薪年假，满五年后为 20 天 [1]。兼职员工按工时折算 [2]。\n\n| 工龄 | 天数 |\n|---|---:|\n| 不满 5 年 | 15 |\n| 5 年及以上 | 20 |\n\n未休完的年假最多可结转五天，须在次年三月底前休完 [3]。",
    second: "两个人想在同一周休假怎么办？",
    secondAnswer: "由团队共同商定。学校放假期间，**有学龄子女的同事**优先 [1]；其他情况按申请先后 [2]。",
  },
} as const;

async function talk(language: keyof typeof TALKS, options: BrowserContextOptions): Promise<Page> {
  const { locale, question, answer, second, secondAnswer } = TALKS[language];
  const context = await person(browser, { locale, ...options });
  const page = await open(context, server.url);
  for (const [asked, told] of [[question, answer], [second, secondAnswer]] as const) {
    model.script = { pieces: told.match(/[\s\S]{1,12}/g) ?? [], everyMs: 4 };
    await ask(page, asked);
    await pause(300);
    await answered(page);
    await page.locator('[data-testid="send"]').waitFor();
    await pause(200);
  }
  return page;
}

async function picture(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await pause(500);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), scale: "css" });
}

for (const [language, colorScheme] of [["en", "light"], ["zh", "light"], ["en", "dark"], ["zh", "dark"]] as const) {
  test(`answer and evidence, ${language}, ${colorScheme}`, async () => {
    const page = await talk(language, { ...WIDE, colorScheme });
    await page.locator('[data-testid="message"]').first().scrollIntoViewIfNeeded();
    await picture(page, `answer-${language}-${colorScheme}`);
    await byId(page, "citation").first().click();
    await byId(page, "evidence-highlight").first().waitFor();
    await picture(page, `evidence-${language}-${colorScheme}`);
    await page.context().close();
  });
}

test("phone", async () => {
  for (const [language, colorScheme] of [["en", "light"], ["zh", "dark"]] as const) {
    const page = await talk(language, { ...PHONE, colorScheme });
    await page.locator('[data-testid="message"]').first().scrollIntoViewIfNeeded();
    await picture(page, `phone-answer-${language}-${colorScheme}`);
    await byId(page, "citation").first().tap();
    await byId(page, "evidence-highlight").first().waitFor();
    await picture(page, `phone-evidence-${language}-${colorScheme}`);
    await page.context().close();
  }
});

test("empty, working, documents, why", async () => {
  for (const language of ["en", "zh"] as const) {
    const { locale, question } = TALKS[language];
    const context = await person(browser, { locale, ...WIDE, reducedMotion: "no-preference" });
    const page = await open(context, server.url);
    await picture(page, `empty-${language}-light`);
    model.script = { ...slowScript(60, 30), firstAfterMs: 2_500 };
    await ask(page, question);
    await page.locator(".sources-ahead").waitFor();
    await picture(page, `working-${language}-light`);
    await grown(page, 80);
    await byId(page, "stop").click();
    await answered(page, "stopped");
    await picture(page, `stopped-${language}-light`);
    await byId(page, "why").click();
    await page.locator("dialog li").first().waitFor();
    await picture(page, `why-${language}-light`);
    await page.goto(`${server.url}/documents`);
    await byId(page, "document-row").first().waitFor();
    await picture(page, `documents-${language}-light`);
    await context.close();
  }
});

test("sign in", async () => {
  const guarded = await Server.start({ ANTIPHON_OWNER_KEY: "" , ANTIPHON_SAMPLE: "false" });
  try {
    const context = await person(browser, { ...WIDE });
    const page = await context.newPage();
    await page.goto(guarded.url);
    await page.getByLabel("Name").waitFor();
    await picture(page, "sign-in-en-light");
    await context.close();
  } finally {
    await guarded.stop();
  }
});
