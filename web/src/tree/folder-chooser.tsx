// "Move to…": a dialog that walks through folders and answers with the chosen one.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Connection } from "../connection/connection";
import { Dialog } from "../parts/dialog";
import { ChevronIcon, FolderIcon } from "../parts/icons";
import { folderOf, isWithin, joinPath, nameOf } from "../parts/paths";
import type { Entry } from "../protocol";
import { text } from "../text";
import type { Row, Tree } from "./tree";

const words = text.fileDialog;

interface Choice {
  connection: Connection;
  tree: Tree;
  row: Row;
  answer: (folder: string | null) => void;
}

const choice = signal<Choice | null>(null);

export function chooseFolder(connection: Connection, tree: Tree, row: Row): Promise<string | null> {
  return new Promise((resolve) => {
    const answer = (folder: string | null) => {
      choice.value = null;
      resolve(folder);
    };
    choice.value = { connection, tree, row, answer };
  });
}

export const FolderChooser = () => (choice.value ? <Chooser choice={choice.value} /> : null);

interface Place {
  path: string;
  title: string;
  writable: boolean;
}

function Chooser({ choice: { connection, tree, row, answer } }: { choice: Choice }) {
  const roots: Place[] = tree.roots.value.map(({ path, title, writable }) => ({ path, title, writable }));
  const root = roots.find(({ path }) => isWithin(row.path, path));
  const [trail, setTrail] = useState<readonly Place[]>(root ? [root] : []);
  const [inside, setInside] = useState<readonly Place[] | null>(null);
  const here = trail.at(-1);

  useEffect(() => {
    if (!here) return;
    setInside(null);
    let current = true;
    void connection
      .request("tree.list", { path: here.path })
      .then(
        (reply) => reply.entries,
        (): Entry[] => [],
      )
      .then((entries) => {
        const folders = entries.filter((entry) => entry.kind === "folder");
        if (current) setInside(folders.map((entry) => placeOf(here.path, entry)));
      });
    return () => {
      current = false;
    };
  }, [here?.path]);

  const possible =
    here?.writable === true && here.path !== folderOf(row.path) && !isWithin(here.path, row.path);
  const shown = here ? inside : roots;
  return (
    <Dialog title={words.moveTitle(row.name)} onClose={() => answer(null)}>
      <nav class="trail" aria-label={words.moveTitle(row.name)}>
        <button class="quiet" onClick={() => setTrail([])}>
          {text.tree.label}
        </button>
        {trail.map((place, index) => (
          <button key={place.path} class="quiet" onClick={() => setTrail(trail.slice(0, index + 1))}>
            <ChevronIcon /> {place.title}
          </button>
        ))}
      </nav>
      <ul class="folder-list">
        {shown?.map((place) => (
          <li key={place.path}>
            <button
              class="quiet"
              disabled={isWithin(place.path, row.path)}
              onClick={() => setTrail([...trail, place])}
            >
              <FolderIcon /> {place.title}
            </button>
          </li>
        ))}
        {shown?.length === 0 && <li class="hint">{text.tree.emptyFolder}</li>}
      </ul>
      <footer class="dialog-foot">
        <button data-testid="dialog-cancel" onClick={() => answer(null)}>
          {text.general.cancel}
        </button>
        <button
          class="primary"
          data-testid="dialog-confirm"
          disabled={!possible}
          onClick={() => here && answer(here.path)}
        >
          {words.moveHere}
        </button>
      </footer>
    </Dialog>
  );
}

const placeOf = (folder: string, entry: Entry): Place => ({
  path: joinPath(folder, entry.name),
  title: nameOf(entry.name),
  writable: entry.writable,
});
