// The bars above a file: whose it is, why it cannot be changed, and what to do when it changed on disk.
import type { Desk } from "../desk/desk";
import { LockIcon, PeopleIcon } from "../parts/icons";
import { inform } from "../parts/notices";
import { folderOf } from "../parts/paths";
import { text } from "../text";
import type { OpenDocument } from "../document/document";
import { documentOf, type OpenFile } from "./open-files";

export function FileBars({ desk, file }: { desk: Desk; file: OpenFile }) {
  const path = file.path.value;
  const document = documentOf(file);
  const owner = desk.otherOwner(path);
  return (
    <>
      {owner !== null && <OwnerBar desk={desk} owner={owner} path={path} />}
      {document && !document.writable && <ReadOnlyBar desk={desk} path={path} />}
      {document && !document.conflict.value && <SaveProblemBar document={document} />}
      {document?.conflict.value && <ConflictBar desk={desk} file={file} document={document} />}
    </>
  );
}

function OwnerBar({ desk, owner, path }: { desk: Desk; owner: string; path: string }) {
  const run = desk.terminals.liveRunOf(path);
  const watched = run && desk.terminals.tabOf(run.run);
  return (
    <div class="bar owner-bar" data-testid="owner-bar">
      <PeopleIcon />
      <span>{text.editor.someones(owner)}</span>
      {run && !watched && (
        <>
          <span>{text.editor.someonesRun(run.owner)}</span>
          <button class="small" onClick={() => desk.terminals.watch(run)}>
            {text.editor.watch}
          </button>
        </>
      )}
    </div>
  );
}

function ReadOnlyBar({ desk, path }: { desk: Desk; path: string }) {
  const home = desk.tree.home.value;
  return (
    <div class="bar" data-testid="read-only-bar">
      <LockIcon />
      <span>{text.editor.readOnly}</span>
      {home !== "" && folderOf(path) !== home && (
        <button class="small" onClick={() => void desk.operations.copy(path, home)}>
          {text.editor.copyHome}
        </button>
      )}
    </div>
  );
}

/** Why saving fails, in full: the toolbar has room for a word. */
function SaveProblemBar({ document }: { document: OpenDocument }) {
  const status = document.status.value;
  if (status.kind !== "failed") return null;
  return (
    <div class="bar warning" role="alert" data-testid="save-problem-bar">
      <span>{text.save.failed(status.reason)}</span>
      <button class="small" onClick={() => void document.save()}>
        {text.editor.retry}
      </button>
    </div>
  );
}

function ConflictBar({ desk, file, document }: { desk: Desk; file: OpenFile; document: OpenDocument }) {
  const words = text.save;
  const deleted = document.conflict.value?.theirs === null;
  const takeTheirs = () => {
    document.takeTheirs();
    inform(words.took);
  };
  return (
    <div class="bar warning" role="alert" data-testid="conflict-bar">
      <span>{deleted ? words.deletedBar : words.conflictBar}</span>
      {deleted ? (
        <button class="small" onClick={() => desk.files.leave(file)}>
          {words.closeTab}
        </button>
      ) : (
        <button class="small" title={words.takeTheirsWhy} data-testid="take-theirs" onClick={takeTheirs}>
          {words.takeTheirs}
        </button>
      )}
      <button
        class="small"
        title={words.keepMineWhy}
        data-testid="keep-mine"
        onClick={() => void document.keepMine()}
      >
        {words.keepMine}
      </button>
    </div>
  );
}
