// The tree on the screen, by the WAI-ARIA tree pattern: one row has the focus, arrows move it, letters jump.
import { useEffect, useRef } from "preact/hooks";
import { showMenu } from "../parts/menu";
import {
  FileIcon,
  FolderIcon,
  MoreIcon,
  ChevronIcon,
  LockIcon,
  PictureIcon,
  PythonIcon,
} from "../parts/icons";
import { BookIcon, CheckIcon, HomeIcon, PeopleIcon, TaskIcon } from "../parts/icons";
import { extensionOf, isPython } from "../parts/paths";
import { text } from "../text";
import { isPicture } from "../parts/file-kind";
import { dropHandlers, dropHome } from "./dragging";
import type { Operations } from "./operations";
import { rowMenu } from "./row-menu";
import { rowKey, treeKey } from "./tree-keys";
import type { Row, Tree } from "./tree";

export interface TreeViewProps {
  tree: Tree;
  operations: Operations;
  activePath: string | null;
  open: (path: string) => void;
  run: (path: string) => void;
}

export function TreeView(props: TreeViewProps) {
  const { tree, operations } = props;
  const host = useRef<HTMLDivElement>(null);
  const rows = tree.rows.value;
  const focused = rows.some((row) => row.path === tree.focused.value) ? tree.focused.value : rows[0]?.path;

  useEffect(() => {
    // Only when the tree has the focus already: opening a file elsewhere must not steal it.
    if (!host.current?.contains(document.activeElement)) return;
    host.current.querySelector<HTMLElement>("[role=treeitem][tabindex='0']")?.focus();
  }, [focused]);

  const activate = (row: Row) => {
    if (row.kind === "folder") tree.setOpen(row.path, !row.expanded);
    else props.open(row.path);
  };
  const openMenu = (row: Row, at: { x: number; y: number } | HTMLElement) => {
    tree.focused.value = row.path;
    showMenu(text.tree.more(row.name), rowMenu(row, props), at);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows.find((candidate) => candidate.path === focused && !candidate.remark);
    if (!row || !(event.target as HTMLElement).matches("[role=treeitem]")) return;
    if (treeKey(event, row, tree, { activate, openMenu, operations })) event.preventDefault();
  };

  return (
    <div
      class="tree"
      role="tree"
      aria-label={text.tree.label}
      data-testid="tree"
      ref={host}
      onKeyDown={onKeyDown}
      {...dropHome(tree, operations)}
    >
      {rows.map((row) =>
        row.remark ? (
          <Remark key={rowKey(row)} row={row} tree={tree} operations={operations} />
        ) : (
          <TreeRow
            key={rowKey(row)}
            row={row}
            tabStop={row.path === focused}
            active={row.path === props.activePath}
            onActivate={() => {
              tree.focused.value = row.path;
              activate(row);
            }}
            onMenu={(at) => openMenu(row, at)}
            operations={operations}
            tree={tree}
          />
        ),
      )}
    </div>
  );
}

interface TreeRowProps {
  row: Row;
  tree: Tree;
  operations: Operations;
  tabStop: boolean;
  active: boolean;
  onActivate: () => void;
  onMenu: (at: { x: number; y: number } | HTMLElement) => void;
}

function TreeRow({ row, tree, operations, tabStop, active, onActivate, onMenu }: TreeRowProps) {
  const isFolder = row.kind === "folder";
  return (
    <div
      role="treeitem"
      class={`tree-row ${row.isRoot ? "root" : ""} ${active ? "active" : ""}`}
      style={{ "--level": row.level - 1 }}
      data-testid="tree-item"
      data-path={row.path}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={isFolder ? row.expanded : undefined}
      aria-selected={active}
      aria-label={row.writable ? row.name : `${row.name}, ${text.tree.readOnly}`}
      tabIndex={tabStop ? 0 : -1}
      onFocus={() => (tree.focused.value = row.path)}
      onClick={(event) => {
        event.currentTarget.focus();
        onActivate();
      }}
      onContextMenu={(event) => {
        event.preventDefault();
        onMenu({ x: event.clientX, y: event.clientY });
      }}
      {...dropHandlers(row, tree, operations)}
    >
      <span class={`chevron ${row.expanded ? "open" : ""}`}>{isFolder && <ChevronIcon />}</span>
      <RowIcon row={row} tree={tree} />
      <span class="tree-name">{row.name}</span>
      {!row.writable && (
        <span class="lock" title={text.tree.readOnly}>
          <LockIcon />
        </span>
      )}
      <button
        class="quiet square row-more"
        tabIndex={-1}
        aria-label={text.tree.more(row.name)}
        onClick={(event) => {
          event.stopPropagation();
          onMenu(event.currentTarget);
        }}
      >
        <MoreIcon />
      </button>
    </div>
  );
}

function RowIcon({ row, tree }: { row: Row; tree: Tree }) {
  if (row.isRoot) {
    if (row.path === tree.home.value) return <HomeIcon />;
    if (row.path === "Local") return <PeopleIcon />;
    if (row.path === "Assignments") return <TaskIcon />;
    return row.path === "Tests" ? <CheckIcon /> : <BookIcon />;
  }
  if (row.kind === "folder") return <FolderIcon />;
  if (isPython(row.path)) {
    return (
      <span class="python-file">
        <PythonIcon />
      </span>
    );
  }
  return isPicture(extensionOf(row.path)) ? <PictureIcon /> : <FileIcon />;
}

function Remark({ row, tree, operations }: { row: Row; tree: Tree; operations: Operations }) {
  const { remark } = row;
  const style = { "--level": row.level - 1 };
  if (remark === "empty" && row.path === tree.home.value) {
    return (
      <div class="tree-remark" style={style} role="none">
        <p>{text.tree.emptyHome}</p>
        <button class="small primary" onClick={() => void operations.newFile(row.path)}>
          {text.action.newFile}
        </button>
      </div>
    );
  }
  const words = { loading: text.loading, empty: text.tree.emptyFolder, incomplete: text.tree.incomplete };
  return (
    <div class="tree-remark" style={style} role="none">
      {typeof remark === "string" ? words[remark] : text.tree.failed(remark?.problem ?? "")}
    </div>
  );
}
