// What pupils and teachers do at the page, from signing in to helping.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { School, until } from "./school.mjs";

let school;
before(async () => {
  school = await School.open({ turing: "teacher", ada: "student", ben: "student", cleo: "student", dan: "student", eve: "student" });
});
after(() => school?.close());

/** Runs a test with a page of somebody's; a picture of how it ended is taken where one is wanted. */
function atDesk(title, name, work) {
  test(title, { timeout: 150_000 }, async () => {
    const desk = name ? await school.join(name) : await school.visit();
    try {
      await work(desk, name && `Local/${name}`);
    } finally {
      await desk.picture(title.replaceAll(/\W+/g, "-"));
      await desk.leave();
    }
  });
}

atDesk("a pupil signs in with a slip first, and out again", null, async (desk) => {
  await desk.part("sign-in-name").fill("ada");
  await desk.part("sign-in-password").fill("not the password");
  await desk.part("sign-in-submit").click();
  await desk.part("sign-in-problem").filter({ hasText: /\w/ }).waitFor();
  await desk.signIn("ada");
  assert.match(await desk.part("user-menu").textContent(), /ada/);
  await desk.part("user-menu").click();
  await desk.part("sign-out").click();
  await desk.part("sign-in-name").waitFor();
  await desk.page.reload();
  await desk.part("sign-in-name").waitFor();
});

atDesk("files are made, opened, renamed, moved, deleted, uploaded and downloaded", "ada", async (desk, home) => {
  await desk.newFile(home, "first.py", "print('first')\n");
  await desk.saved();
  await desk.row(home).focus();
  await desk.part("new-folder").click();
  await desk.answer("week 1");
  await desk.row(`${home}/week 1`).waitFor();

  await desk.choose(`${home}/first.py`, "menu-rename");
  await desk.answer("renamed.py");
  await desk.row(`${home}/renamed.py`).waitFor();
  await desk.tab(`${home}/renamed.py`).waitFor();
  assert.equal(await desk.row(`${home}/first.py`).count(), 0);

  await desk.choose(`${home}/renamed.py`, "menu-move");
  await desk.page.locator(".folder-list button", { hasText: "week 1" }).click();
  await desk.part("dialog-confirm").click();
  await desk.row(`${home}/week 1/renamed.py`).waitFor();
  await desk.row(`${home}/week 1/renamed.py`).click();
  assert.match(await desk.written(), /first/);

  await desk.row(home).focus();
  const [chooser] = await Promise.all([desk.page.waitForEvent("filechooser"), desk.part("upload").click()]);
  await chooser.setFiles({ name: "grüße.csv", mimeType: "text/csv", buffer: Buffer.from("a,b\n1,2\n") });
  await desk.row(`${home}/grüße.csv`).waitFor();
  const [download] = await Promise.all([
    desk.page.waitForEvent("download"),
    desk.choose(`${home}/grüße.csv`, "menu-download"),
  ]);
  assert.equal(download.suggestedFilename(), "grüße.csv");
  assert.equal(readFileSync(await download.path(), "utf8"), "a,b\n1,2\n");

  await desk.choose(`${home}/week 1`, "menu-delete");
  await desk.row(`${home}/week 1`).waitFor({ state: "detached" });
  assert.equal(await desk.tab(`${home}/week 1/renamed.py`).count(), 0);
});

/** A folder of the person's own computer. */
function ownFolder(files) {
  const top = mkdtempSync(join(tmpdir(), "carrel-own-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(top, name, ".."), { recursive: true });
    writeFileSync(join(top, name), text);
  }
  return top;
}

/** Drags what lies on the person's own computer onto a row, as a file manager does. */
async function drop(desk, row, files) {
  const { x, y, width, height } = await row.boundingBox();
  const session = await desk.page.context().newCDPSession(desk.page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"])
    await session.send("Input.dispatchDragEvent", { type, x: x + width / 2, y: y + height / 2, data });
  await session.detach();
}

atDesk("a folder is dropped with all that is in it, and nothing is replaced unasked", "eve", async (desk, home) => {
  const own = ownFolder({ "week/a.py": "new a", "week/ü/b.py": "new b", "week/.git/config": "x", "week/c.py": "new c" });
  try {
    await desk.row(home).focus();
    await drop(desk, desk.row(home), [join(own, "week")]);
    await desk.row(`${home}/week`).click();
    await desk.row(`${home}/week/ü`).click();
    await desk.row(`${home}/week/ü/b.py`).waitFor();
    await desk.page.locator(".notice", { hasText: "3 files uploaded" }).waitFor();
    await desk.picture("uploaded");

    writeFileSync(join(own, "week/a.py"), "newer a");
    await drop(desk, desk.row(home), [join(own, "week")]);
    await desk.part("dialog-both").waitFor();
    await desk.picture("conflict");
    await desk.part("dialog-for-all").check();
    await desk.part("dialog-both").click();
    await desk.row(`${home}/week/a copy.py`).click();
    await until(async () => (await desk.written()).includes("newer a"), "the copy's text");
    await desk.row(`${home}/week/a.py`).click();
    await until(async () => (await desk.written()) === "new a", "the old text");
  } finally {
    rmSync(own, { recursive: true });
  }
});

atDesk("a chosen folder, its zip, and its copy", "eve", async (desk, home) => {
  const own = ownFolder({ "term/x/deep.py": "deep", "term/y.csv": "1,2\n" });
  try {
    const [chooser] = await Promise.all([desk.page.waitForEvent("filechooser"), desk.choose(home, "menu-upload-folder")]);
    await chooser.setFiles(join(own, "term"));
    await desk.row(`${home}/term`).waitFor();
    const [download] = await Promise.all([
      desk.page.waitForEvent("download"),
      desk.choose(`${home}/term`, "menu-zip"),
    ]);
    assert.equal(download.suggestedFilename(), "term.zip");
    const zip = readFileSync(await download.path());
    assert.ok(zip.includes("term/x/deep.py") && zip.includes("term/y.csv"));
    await desk.choose(`${home}/term`, "menu-duplicate");
    await desk.row(`${home}/term copy`).click();
    await desk.row(`${home}/term copy/y.csv`).waitFor();
    await desk.part("usage").filter({ hasText: "of 1 GB used" }).waitFor();
  } finally {
    rmSync(own, { recursive: true });
  }
});

atDesk("what does not fit is told before anything is sent", "eve", async (desk, home) => {
  school.type("class", "limit", "demo", "workspace=1MB");
  const own = ownFolder({ "big.bin": Buffer.alloc(3 << 20) });
  const puts = [];
  desk.page.on("request", (request) => request.method() === "PUT" && puts.push(request.url()));
  const told = desk.page.locator(".notice", { hasText: "There is not enough room" });
  const known = async () => {
    await desk.page.reload();
    await desk.part("usage").waitFor();
    return (await desk.part("usage").textContent()).includes("of 1 MB");
  };
  try {
    await until(known, "the class's new limit, which is looked at twice a minute", 90_000);
    await drop(desk, desk.row(home), [join(own, "big.bin")]);
    await told.waitFor();
    await desk.picture("no-room");
    assert.deepEqual(puts, []);
    assert.equal(await desk.row(`${home}/big.bin`).count(), 0);
  } finally {
    school.type("class", "limit", "demo", "workspace=default");
    rmSync(own, { recursive: true });
  }
});

atDesk("what was deleted comes back: at once by Undo, later from the trash", "dan", async (desk, home) => {
  await desk.newFile(home, "precious.py", "print('precious')\n");
  await desk.saved();
  await desk.choose(`${home}/precious.py`, "menu-delete");
  await desk.row(`${home}/precious.py`).waitFor({ state: "detached" });
  await desk.part("notice-action").click();
  await desk.row(`${home}/precious.py`).click();
  await until(async () => (await desk.written()).includes("precious"), "the text after Undo");

  await desk.choose(`${home}/precious.py`, "menu-delete");
  await desk.row(`${home}/precious.py`).waitFor({ state: "detached" });
  await desk.choose(home, "menu-trash");
  const item = desk.page.locator(`[data-testid=trash-item][data-path="${home}/precious.py"]`);
  await item.waitFor();
  await desk.picture("trash");
  await item.getByTestId("trash-restore").click();
  await item.waitFor({ state: "detached" });
  await desk.part("trash-close").click();
  await desk.row(`${home}/precious.py`).waitFor();

  await desk.choose(`${home}/precious.py`, "menu-delete");
  await desk.row(`${home}/precious.py`).waitFor({ state: "detached" });
  await desk.choose(home, "menu-trash");
  await desk.part("trash-empty").click();
  await desk.part("dialog-confirm").click();
  await item.waitFor({ state: "detached" });
  await desk.part("trash-close").click();
});

atDesk("what is typed saves itself and is there after a reload", "ada", async (desk, home) => {
  await desk.newFile(home, "notes.py", "remembered = 'Grüße 李雷 🐍'\n");
  await desk.saved();
  await desk.page.reload();
  await desk.row(`${home}/notes.py`).waitFor();
  await desk.row(`${home}/notes.py`).click();
  await until(async () => (await desk.written()).includes("Grüße 李雷 🐍"), "the text after the reload");
});

atDesk("F5 runs what is shown, and the program asks", "ben", async (desk, home) => {
  await desk.newFile(home, "ask.py", "name = input('Your name? ')\nprint('Hello', name + '!')\n");
  await desk.page.keyboard.press("F5");
  await desk.shown("Your name?");
  await desk.state("waiting");
  await desk.typeInTerminal("Ben");
  await desk.shown("Hello Ben!");
});

atDesk("afterwards the interpreter has the program's variables", "ben", async (desk, home) => {
  await desk.newFile(home, "sum.py", "numbers = [20, 22]\ntotal = sum(numbers)\nprint('done')\n1 / 0\n");
  await desk.page.keyboard.press("F5");
  await desk.shown("ZeroDivisionError");
  await desk.state("repl");
  await desk.typeInTerminal("total * 2");
  const all = await desk.shown("84");
  assert.ok(all.indexOf("done") < all.indexOf("ZeroDivisionError"));
});

atDesk("an interpreter alone", "ben", async (desk) => {
  await desk.part("python").click();
  await desk.shown(">>>");
  await desk.typeInTerminal("6 * 7");
  await desk.shown("42");
  await desk.typeInTerminal("exit()");
  await desk.state("ended");
});

atDesk("Stop ends an endless loop", "cleo", async (desk, home) => {
  await desk.newFile(home, "loop.py", "import time\nprint('round and round')\nwhile True:\n    time.sleep(0.1)\n");
  await desk.part("run").click();
  await desk.shown("round and round");
  await desk.part("stop").click();
  await desk.state("repl", "ended");
});

atDesk("a reload in the middle of a program loses nothing", "cleo", async (desk, home) => {
  const text = "import time\nfor i in range(200):\n    print('<' + str(i) + '>')\n    time.sleep(0.02)\nprint('all counted')\n";
  await desk.newFile(home, "count.py", text);
  await desk.page.keyboard.press("F5");
  await desk.shown("<10>");
  await desk.page.reload();
  await desk.part("terminal-tab").filter({ hasText: "count.py" }).locator("[role=tab]").click();
  const all = await desk.shown("all counted");
  const counted = [...all.matchAll(/<(\d+)>/g)].map((match) => Number(match[1]));
  assert.deepEqual(
    counted,
    Array.from({ length: 200 }, (_, index) => index),
  );
});

atDesk("a teacher opens a pupil's folder and helps", "turing", async (teacher) => {
  const pupil = await school.join("dan");
  await pupil.newFile("Local/dan", "task.py", "prnt('help')\n");
  await pupil.saved();
  await teacher.page.reload();
  await teacher.row("Local").waitFor();
  if ((await teacher.row("Local").getAttribute("aria-expanded")) !== "true") await teacher.row("Local").click();
  await teacher.row("Local/dan").click();
  await teacher.row("Local/dan/task.py").click();
  await until(async () => (await teacher.written()).includes("prnt('help')"), "Dan's text at the teacher's page");
  await teacher.write("print('helped')\n");
  await teacher.page.keyboard.press("F5");
  await teacher.shown("helped");
  await teacher.saved();
  await pupil.page.reload();
  await pupil.row("Local/dan/task.py").click();
  await until(async () => (await pupil.written()).includes("print('helped')"), "the correction at Dan's page");
  await pupil.leave();
});

atDesk("the web server goes away and comes back by itself", "dan", async (desk, home) => {
  await desk.newFile(home, "steady.py", "import time\nfor i in range(300):\n    print('<' + str(i) + '>')\n    time.sleep(0.02)\n");
  await desk.page.keyboard.press("F5");
  await desk.shown("<5>");
  school.killWebServer();
  const all = await desk.shown("<299>");
  assert.equal([...all.matchAll(/<(\d+)>/g)].length, 300);
});
