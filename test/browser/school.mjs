// A Carrel of the tests' own: a data directory, a class with its people, the server, and a browser to meet it with.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { chromium } = createRequire(join(root, "web/package.json"))("playwright-core");

const carrel = resolve(root, process.env.CARREL_BUILD ?? "build-asan", "carrel");
const environment = { ...process.env, ASAN_OPTIONS: "detect_leaks=0:handle_segv=0:allocator_may_return_null=1" };
const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const patience = 15_000;
export const passwordOf = (name) => `secret of ${name}`;

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export async function until(condition, what, timeout = patience) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class School {
  static async open(people) {
    const school = new School();
    // Below /var/tmp, which the users that programs run as can reach.
    school.directory = mkdtempSync("/var/tmp/carrel-browser-");
    chmodSync(school.directory, 0o755);
    school.data = join(school.directory, "data");
    school.address = `http://127.0.0.1:${await freePort()}`;
    school.type("class", "add", "demo", "--title", "Demonstration");
    for (const [name, role] of Object.entries(people)) {
      const options = ["--role", role, "--class", "demo", "--password-stdin"];
      school.typeWithInput(`${passwordOf(name)}\n`, "user", "add", name, ...options);
    }
    await school.start();
    school.browser = await chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: browserArguments });
    return school;
  }

  type(...words) {
    this.typeWithInput("", ...words);
  }

  typeWithInput(input, ...words) {
    const done = spawnSync(carrel, [...words, "--data", this.data], { input, env: environment, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`carrel ${words.join(" ")}: ${done.status}\n${done.stdout}${done.stderr}`);
  }

  async start() {
    const log = createWriteStream(join(this.directory, "log"));
    const listen = this.address.replace("http://", "");
    this.server = spawn(carrel, ["serve", "--listen", listen, "--data", this.data], {
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.server.stdout.pipe(log);
    this.server.stderr.pipe(log);
    this.ended = new Promise((resolve) => this.server.once("exit", resolve));
    const listens = () => fetch(`${this.address}/healthz`).then((answer) => answer.ok, () => false);
    await until(listens, "the server to listen", 60_000);
  }

  async close() {
    await this.browser?.close();
    this.server?.kill("SIGTERM");
    const status = await this.ended;
    const log = readFileSync(join(this.directory, "log"), "utf8");
    rmSync(this.directory, { recursive: true, force: true });
    if (status !== 0 || log.includes("ERROR: AddressSanitizer")) throw new Error(`the server ended with ${status}\n${log}`);
  }

  killWebServer() {
    const below = spawnSync("pgrep", ["--parent", String(this.server.pid), "--full", "role web"], { encoding: "utf8" });
    for (const pid of below.stdout.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
  }

  /** A page of somebody's own browser, signed in. */
  async join(name, address = this.address) {
    const desk = await this.visit(address);
    await desk.signIn(name);
    return desk;
  }

  async visit(address = this.address) {
    const context = await this.browser.newContext({ acceptDownloads: true, viewport: { width: 1280, height: 800 } });
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    await page.goto(address);
    return new Desk(page);
  }
}

/** What a person does at the page, by the names that the page gives its parts. */
export class Desk {
  constructor(page) {
    this.page = page;
    this.problems = [];
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  part(name) {
    return this.page.getByTestId(name);
  }

  async signIn(name, password = passwordOf(name)) {
    await this.part("sign-in-name").fill(name);
    await this.part("sign-in-password").fill(password);
    await this.part("sign-in-submit").click();
    await this.part("tree").waitFor();
  }

  row(path) {
    return this.page.locator(`[data-testid=tree-item][data-path=${JSON.stringify(path)}]`);
  }

  tab(path) {
    return this.page.locator(`[data-testid=tab][data-path=${JSON.stringify(path)}]`);
  }

  async answer(name) {
    await this.part("dialog-input").fill(name);
    await this.part("dialog-confirm").click();
  }

  /** Chooses from a row's menu. */
  async choose(path, item) {
    await this.row(path).click({ button: "right" });
    await this.part(item).click();
  }

  async newFile(folder, name, text = "") {
    await this.row(folder).focus();
    await this.part("new-file").click();
    await this.answer(name);
    await this.row(`${folder}/${name}`).waitFor();
    if (text) await this.write(text);
  }

  /** Replaces what the editor holds. */
  async write(text) {
    await this.part("editor").locator(".cm-content").click();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(text);
  }

  /** Types where the cursor is to be: at the end of the text, or of its first line. */
  async typeAt(key, text) {
    await this.part("editor").locator(".cm-content").focus();
    await this.page.keyboard.press(key);
    await this.page.keyboard.type(text);
  }

  /** Opens a file from the tree and waits for its text. */
  async openFile(path, text = "") {
    await this.row(path).click();
    await this.part("editor").locator(".cm-content").waitFor();
    await this.reads(text);
  }

  /** Waits until the editor shows a text, anywhere in it. */
  async reads(text) {
    let now = "";
    const found = async () => (now = await this.written()).includes(text);
    await until(found, `${JSON.stringify(text)} in the editor`).catch((error) => {
      throw new Error(`${error.message}; it shows ${JSON.stringify(now)}`);
    });
  }

  async written() {
    const lines = await this.part("editor").locator(".cm-line").allTextContents();
    return lines.join("\n");
  }

  async saved() {
    await this.page.locator("[data-testid=save-state][data-state=saved]").waitFor();
  }

  terminalText() {
    return this.part("terminal").evaluate((element) => element.carrelText());
  }

  /** Waits for a text in the terminal and gives back all that it shows. */
  async shown(text) {
    let all = "";
    const found = async () => {
      all = await this.terminalText().catch(() => "");
      return all.includes(text);
    };
    await until(found, `${JSON.stringify(text)} in the terminal`).catch((error) => {
      throw new Error(`${error.message}; it shows ${JSON.stringify(all.slice(-2000))}`);
    });
    return all;
  }

  async state(...states) {
    const now = () => this.part("terminal-state").getAttribute("data-state");
    await until(async () => states.includes(await now()), `the state ${states.join(" or ")}`);
  }

  async typeInTerminal(text) {
    await this.part("terminal").click();
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Enter");
  }

  async picture(name) {
    const folder = process.env.CARREL_SCREENSHOTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }

  async leave() {
    await this.page.context().close();
    if (this.problems.length > 0) throw new Error(`errors in the page: ${this.problems.join("; ")}`);
  }
}
