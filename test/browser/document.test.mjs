// Nothing typed is ever lost: several people in a file, broken lines, reloads, programs that write, and the past.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { School, until } from "./school.mjs";
import { Wire } from "./wire.mjs";

let school;
let wire;
before(async () => {
  school = await School.open({
    turing: "teacher",
    ada: "student",
    ben: "student",
    cleo: "student",
  });
  wire = await Wire.to(school.address);
});
after(async () => {
  wire?.close();
  await school?.close();
});

/** Runs a test with pages of somebody's; pictures of how it ended are taken where they are wanted. */
function atDesks(title, names, work, address = () => school.address) {
  test(title, { timeout: 120_000 }, async () => {
    const desks = [];
    try {
      for (const name of names) desks.push(await school.join(name, address()));
      await work(...desks);
    } finally {
      wire.mend();
      for (const [index, desk] of desks.entries())
        await desk.picture(`${title.replaceAll(/\W+/g, "-")}-${index}`);
      for (const desk of desks) await desk.leave();
    }
  });
}

const onDisk = (path) =>
  readFileSync(join(school.data, "files/demo", path), "utf8");

async function openAsTeacher(desk, path) {
  const parts = path.split("/");
  for (let depth = 1; depth < parts.length; depth++) {
    const folder = desk.row(parts.slice(0, depth).join("/"));
    await folder.waitFor();
    if ((await folder.getAttribute("aria-expanded")) !== "true")
      await folder.click();
  }
  await desk.openFile(path);
}

atDesks(
  "two people in one file see each other's typing and cursors",
  ["ada", "turing"],
  async (ada, teacher) => {
    await ada.newFile("Local/ada", "shared.py", "first = 1\nsecond = 2\n");
    await ada.saved();
    await openAsTeacher(teacher, "Local/ada/shared.py");
    await teacher.reads("second = 2");
    await teacher.typeAt("Control+End", "# the teacher's line\n");
    await ada.reads("# the teacher's line");
    await ada.typeAt("Control+Home", "# from Ada\n");
    await teacher.reads("# from Ada");
    assert.equal(await ada.written(), await teacher.written());

    await ada.page
      .locator("[data-testid=peer-caret][data-name=turing]")
      .waitFor({ state: "attached" });
    await teacher.page
      .locator("[data-testid=peer-caret][data-name=ada]")
      .waitFor({ state: "attached" });
    assert.match(await ada.part("peer-bar").textContent(), /turing/);

    // Undo is one's own: the teacher's line stays.
    for (
      let press = 0;
      press < 20 && (await ada.written()).includes("# f");
      press++
    )
      await ada.page.keyboard.press("Control+z");
    await until(
      async () => !(await teacher.written()).includes("# f"),
      "Ada's undo at the teacher's page",
    );
    assert.match(await ada.written(), /# the teacher's line/);

    await teacher.page.getByRole("button", { name: "Close shared.py" }).click();
    await ada.part("peer-bar").waitFor({ state: "detached" });
  },
);

atDesks(
  "both type in the same moment, and both pages end with one text",
  ["ben", "ben"],
  async (one, two) => {
    await one.newFile("Local/ben", "both.txt", "middle\n");
    await one.saved();
    await two.row("Local/ben/both.txt").waitFor();
    await two.openFile("Local/ben/both.txt", "middle");
    const words = (name) =>
      Array.from({ length: 25 }, (_, number) => `${name}${number}`).join(" ");
    await Promise.all([
      one.typeAt("Control+Home", words("a")),
      two.typeAt("Control+End", words("b")),
    ]);
    await one.reads(words("b"));
    await two.reads(words("a"));
    assert.equal(await one.written(), await two.written());
    await one.saved();
    await one.page.keyboard.press("Control+s");
    await until(
      () => onDisk("Local/ben/both.txt").includes(words("b")),
      "the file on the disk",
    );
  },
);

atDesks(
  "the line breaks while somebody types, and nothing is lost",
  ["ada", "ada"],
  async (desk, other) => {
    await desk.newFile("Local/ada", "cut.txt", "before\n");
    await desk.saved();
    await other.row("Local/ada/cut.txt").waitFor();
    await other.openFile("Local/ada/cut.txt", "before");
    await desk.typeAt("Control+End", "half of this");
    wire.cut();
    await desk.page.keyboard.type(" is typed without a line");
    await desk.page
      .locator("[data-testid=save-state][data-state=offline]")
      .waitFor();
    // A real while, in which the page tries to come back.
    const end = Date.now() + 4_000;
    for (let number = 0; Date.now() < end; number++)
      await desk.page.keyboard.type(` w${number}`, { delay: 40 });
    const typed = await desk.written();
    wire.mend();
    await desk.saved();
    await other.reads(typed);
    assert.equal(await desk.written(), typed);
  },
  () => wire.address,
);

atDesks(
  "what was typed without a line is there after a reload",
  ["ben"],
  async (desk) => {
    await desk.newFile("Local/ben", "kept.txt", "before\n");
    await desk.saved();
    wire.cut();
    await desk.typeAt("Control+End", "typed in the dark");
    await desk.page
      .locator("[data-testid=save-state][data-state=offline]")
      .waitFor();
    await desk.page.reload();
    // Its text comes from the browser alone, and goes to the server when there is a line.
    await desk.reads("typed in the dark");
    await desk.page
      .locator("[data-testid=save-state][data-state=offline]")
      .waitFor();
    wire.mend();
    await desk.saved();
    await desk.page.keyboard.press("Control+s");
    await until(
      () => onDisk("Local/ben/kept.txt") === "before\ntyped in the dark",
      "the text on the disk",
    );
    const records = await desk.page.evaluate(recordsKept);
    assert.equal(records, 0);
  },
  () => wire.address,
);

atDesks(
  "signing out erases what the browser kept, after a question",
  ["cleo"],
  async (desk) => {
    await desk.newFile("Local/cleo", "secret.txt", "a\n");
    await desk.saved();
    wire.cut();
    await desk.typeAt("Control+End", "not for the next one");
    await until(
      async () => (await desk.page.evaluate(recordsKept)) === 1,
      "the text in the browser",
    );
    await desk.part("user-menu").click();
    await desk.part("sign-out").click();
    await desk.part("dialog-confirm").click();
    await desk.part("sign-in-name").waitFor();
    assert.equal(await desk.page.evaluate(recordsKept), 0);
  },
  () => wire.address,
);

/** In the page: how many records of unconfirmed edits the browser holds. */
function recordsKept() {
  return new Promise((resolve) => {
    const open = indexedDB.open("carrel");
    open.onsuccess = () => {
      const database = open.result;
      const count = database.transaction("edits").objectStore("edits").count();
      count.onsuccess = () => {
        database.close();
        resolve(count.result);
      };
    };
  });
}

atDesks(
  "a program writes into the open file, and the cursor stays in its place",
  ["cleo"],
  async (desk) => {
    await desk.newFile("Local/cleo", "log.txt", "one\ntwo\n");
    await desk.saved();
    await desk.newFile(
      "Local/cleo",
      "write.py",
      "with open('log.txt', 'a') as log:\n    log.write('by a program\\n')\nprint('written')\n",
    );
    await desk.row("Local/cleo/log.txt").click();
    await desk.typeAt("Control+Home", "X");
    await desk.saved();
    await desk.choose("Local/cleo/write.py", "menu-run");
    await desk.shown("written");
    await desk.part("editor").locator(".cm-content").focus();
    await desk.page.keyboard.type("Y");
    await desk.reads("by a program");
    await desk.page.keyboard.type("Z");
    assert.match(await desk.written(), /^XYZone\ntwo\nby a program/);
  },
);

atDesks(
  "pupils watch a lecture note being written",
  ["turing", "ada"],
  async (teacher, ada) => {
    await teacher.newFile("Lecture Notes", "today.py", "# today\n");
    await teacher.saved();
    await ada.page.reload();
    await openAsTeacher(ada, "Lecture Notes/today.py");
    await ada.part("read-only-bar").waitFor();
    await teacher.typeAt("Control+End", "print('watch me')\n");
    await ada.reads("print('watch me')");
  },
);

atDesks(
  "two versions side by side, and a person chooses",
  ["ben"],
  async (desk) => {
    const program =
      "import time\nfor i in range(60):\n    open('fight.txt', 'w').write(f'program {i}\\n')\n    time.sleep(0.05)\nprint('fought')\n";
    await desk.newFile("Local/ben", "fight.py", program);
    await desk.saved();
    await desk.newFile("Local/ben", "fight.txt", "start\n");
    await desk.saved();
    await desk.choose("Local/ben/fight.py", "menu-run");
    await desk.part("editor").locator(".cm-content").click();
    // In the line that the program writes, until the two have met.
    const asked = () => desk.part("conflict-bar").isVisible();
    for (let number = 0; number < 200 && !(await asked()); number++)
      await desk.typeAt("Control+Home", `mine${number} `);
    await desk.part("compare").click();
    await desk.part("comparison").locator(".cm-mergeView").waitFor();
    await desk.shown("fought");
    await desk.picture("comparison-wide");
    await desk.part("compare-mine").click();
    // The program's last line may have come after what was shown: then it is asked again.
    await until(async () => {
      if (!(await asked())) return true;
      await desk.part("keep-mine").click({ timeout: 500 }).catch(() => undefined);
      return false;
    }, "the choice to be taken");
    await desk.saved();
    const mine = await desk.written();
    assert.match(mine, /mine0/);
    await until(
      () => onDisk("Local/ben/fight.txt").trimEnd() === mine.trimEnd(),
      "my text on the disk",
    );
  },
);

atDesks("a deleted file can be written again", ["cleo"], async (desk) => {
  await desk.newFile("Local/cleo", "gone.txt", "still here\n");
  await desk.saved();
  await desk.page.keyboard.press("Control+s");
  await desk.newFile(
    "Local/cleo",
    "remove.py",
    "import os\nos.remove('gone.txt')\nprint('removed')\n",
  );
  await desk.page.keyboard.press("F5");
  await desk.shown("removed");
  await desk.tab("Local/cleo/gone.txt").click();
  await desk.typeAt("Control+End", "and more\n");
  await desk.part("conflict-bar").waitFor();
  await desk.part("keep-mine").click();
  await desk.part("conflict-bar").waitFor({ state: "detached" });
  await until(() => {
    try {
      return onDisk("Local/cleo/gone.txt") === "still here\nand more\n";
    } catch {
      return false;
    }
  }, "the file again");
});

atDesks(
  "a renamed file's tab follows, with its text and its undo",
  ["ada", "ada"],
  async (desk, other) => {
    await desk.newFile("Local/ada", "old-name.txt", "text\n");
    await desk.saved();
    await other.row("Local/ada/old-name.txt").waitFor();
    await other.openFile("Local/ada/old-name.txt", "text");
    await desk.choose("Local/ada/old-name.txt", "menu-rename");
    await desk.answer("new-name.py");
    await other.tab("Local/ada/new-name.py").waitFor();
    await desk.typeAt("Control+End", "more");
    await other.reads("more");
    await desk.page.keyboard.press("Control+z");
    await until(
      async () => !(await other.written()).includes("more"),
      "the undo",
    );
  },
);

atDesks(
  "the past is played, compared, and brought back",
  ["ada"],
  async (desk) => {
    await desk.newFile("Local/ada", "story.py");
    await desk.typeAt("Control+End", "print('chapter one')\n");
    await desk.saved();
    await desk.page.keyboard.press("F5");
    await desk.shown("chapter one");
    await desk.write("print('all is different')\n1 / 0\n");
    await desk.page.keyboard.press("F5");
    await desk.shown("ZeroDivisionError");
    await desk.typeInTerminal("exit(3)");
    await desk.state("ended");
    await desk.part("history").click();
    const past = desk.part("history-text");
    await past.filter({ hasText: "all is different" }).waitFor();
    await desk
      .part("history-run")
      .filter({ hasText: "ended with an error" })
      .waitFor();
    await desk.picture("history-wide");

    // From the beginning, by the keyboard.
    await desk.part("history-slider").focus();
    await desk.page.keyboard.press("Home");
    await until(
      async () => !(await past.textContent()).includes("different"),
      "the beginning",
    );
    await desk.part("history-play").click();
    await past.filter({ hasText: "chapter one" }).waitFor();
    await desk.page
      .locator("[data-testid=history-play][data-playing=false]")
      .waitFor();
    await past.filter({ hasText: "all is different" }).waitFor();

    // The first run, the last in the list.
    await desk.part("history-run").last().click();
    await past.filter({ hasText: "chapter one" }).waitFor();
    await desk.part("history-compare").check();
    await past.locator(".cm-mergeView").waitFor();
    await desk.picture("history-compare-wide");
    await desk.part("history-compare").uncheck();
    await past.filter({ hasText: "chapter one" }).waitFor();
    await desk.part("history-restore").click();
    await desk.reads("print('chapter one')");
    assert.doesNotMatch(await desk.written(), /different/);
    await desk.page.keyboard.press("Control+z");
    await desk.reads("all is different");
  },
);
