// The trash of one folder: what was deleted from it, to be restored or deleted for good.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Connection } from "../connection/connection";
import { Dialog } from "../parts/dialog";
import { FileIcon, FolderIcon } from "../parts/icons";
import { warnOf } from "../parts/notices";
import { folderOf, nameOf } from "../parts/paths";
import { confirm } from "../parts/questions";
import type { TrashItem } from "../protocol";
import { text } from "../text";

const words = text.trash;

interface Trash {
  connection: Connection;
  path: string;
  title: string;
  restore: (place: string, trash: string) => Promise<boolean>;
}

const shown = signal<Trash | null>(null);

export const openTrash = (trash: Trash): void => void (shown.value = trash);

export const TrashDialog = () => (shown.value ? <Contents trash={shown.value} /> : null);

function Contents({ trash: { connection, path, title, restore } }: { trash: Trash }) {
  const [items, setItems] = useState<readonly TrashItem[] | null>(null);
  const [days, setDays] = useState<number | null>(null);
  const list = () =>
    connection.request("trash.list", { path }).then((reply) => {
      setItems(reply.items);
      setDays(reply.days);
    }, warnOf);
  useEffect(() => void list(), [path]);

  const bringBack = async ({ trash }: TrashItem) => {
    await restore(path, trash);
    await list();
  };
  const deleteItems = async (item: TrashItem | null) => {
    const title = item ? words.forGoodTitle(nameOf(item.path)) : words.emptyTitle;
    const body = [item ? words.forGoodBody : words.emptyBody(items?.length ?? 0)];
    if (!(await confirm({ title, body, action: words.forGood, danger: true }))) return;
    await connection.request("trash.delete", item ? { path, trash: item.trash } : { path }).catch(warnOf);
    await list();
  };

  return (
    <Dialog title={words.title(title)} class="wide" onClose={() => (shown.value = null)}>
      {days !== null && <p class="hint">{words.about(days)}</p>}
      <ul class="trash-list" data-testid="trash-list">
        {items?.map((item) => (
          <Item
            key={item.trash}
            item={item}
            restore={() => void bringBack(item)}
            remove={() => void deleteItems(item)}
          />
        ))}
        {items === null && <li class="hint">{text.loading}</li>}
        {items?.length === 0 && <li class="hint">{words.nothing}</li>}
      </ul>
      <footer class="dialog-foot">
        <button
          class="danger"
          data-testid="trash-empty"
          disabled={!items || items.length === 0}
          onClick={() => void deleteItems(null)}
        >
          {words.empty}
        </button>
        <button data-testid="trash-close" onClick={() => (shown.value = null)}>
          {text.general.close}
        </button>
      </footer>
    </Dialog>
  );
}

interface ItemProps {
  item: TrashItem;
  restore: () => void;
  remove: () => void;
}

function Item({ item, restore, remove }: ItemProps) {
  const when = new Date(item.deleted).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return (
    <li data-testid="trash-item" data-path={item.path}>
      {item.kind === "folder" ? <FolderIcon /> : <FileIcon />}
      <span class="trash-name">
        <span>{nameOf(item.path)}</span>
        <small>{words.from(folderOf(item.path), when)}</small>
      </span>
      <button
        class="small"
        aria-label={words.restoreNamed(item.path)}
        data-testid="trash-restore"
        onClick={restore}
      >
        {words.restore}
      </button>
      <button
        class="small quiet"
        aria-label={words.forGoodNamed(item.path)}
        data-testid="trash-delete"
        onClick={remove}
      >
        {words.forGood}
      </button>
    </li>
  );
}
