// The bars above a file: whose it is and who else is in it, why it cannot be changed, and what a person must choose.
import { useState } from "preact/hooks";
import type { Desk } from "../desk/desk";
import { LockIcon, PeopleIcon } from "../parts/icons";
import { inform, warnOf } from "../parts/notices";
import { folderOf } from "../parts/paths";
import { PeerFace } from "../parts/peer-face";
import { text } from "../text";
import type { Conflict, OpenDocument, Peer } from "../document/document";
import { CompareDialog } from "./compare-dialog";
import { documentOf, type OpenFile } from "./open-files";

export function FileBars({ desk, file }: { desk: Desk; file: OpenFile }) {
  const path = file.path.value;
  const document = documentOf(file);
  const owner = desk.otherOwner(path);
  const peers = document?.peers.value ?? [];
  const conflict = document?.conflict.value;
  return (
    <>
      {owner !== null && <OwnerBar desk={desk} owner={owner} path={path} />}
      {document && !document.writable.value && <ReadOnlyBar desk={desk} path={path} />}
      {peers.length > 0 && <PeerBar peers={peers} />}
      {document && !conflict && <SaveProblemBar document={document} />}
      {document && conflict && (
        <ConflictBar desk={desk} file={file} document={document} conflict={conflict} />
      )}
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

const mostFaces = 6;

function PeerBar({ peers }: { peers: readonly Peer[] }) {
  // Somebody with two pages open is one person.
  const people = [...new Map(peers.map((peer) => [peer.name, peer])).values()];
  const shown = people.slice(0, mostFaces);
  const more = people.length - shown.length;
  return (
    <div class="bar peer-bar" data-testid="peer-bar">
      {shown.map(({ session, name }) => (
        <PeerFace key={session} session={session} name={name} />
      ))}
      <span role="status">
        {text.editor.also(shown.map(({ name }) => name))} {more > 0 && text.editor.alsoMore(more)}
      </span>
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

interface ConflictBarProps {
  desk: Desk;
  file: OpenFile;
  document: OpenDocument;
  conflict: Conflict;
}

function ConflictBar({ desk, file, document, conflict }: ConflictBarProps) {
  const words = text.save;
  const [comparing, setComparing] = useState(false);
  const resolve = async (choice: "mine" | "theirs") => {
    try {
      await document.resolve(choice);
      if (choice === "theirs") inform(words.took);
    } catch (error) {
      warnOf(error);
    }
  };
  if (conflict === "deleted") {
    return (
      <div class="bar warning" role="alert" data-testid="conflict-bar">
        <span>{words.deletedBar}</span>
        <button class="small" onClick={() => desk.files.leave(file)}>
          {words.closeTab}
        </button>
        <KeepButton label={words.writeAgain} why={words.writeAgainWhy} onClick={() => void resolve("mine")} />
      </div>
    );
  }
  return (
    <>
      <div class="bar warning" role="alert" data-testid="conflict-bar">
        <span>{conflict === "clash" ? words.clashBar : words.diskBar}</span>
        <button class="small" data-testid="compare" onClick={() => setComparing(true)}>
          {words.compare}
        </button>
        <KeepButton label={words.keepMine} why={words.keepMineWhy} onClick={() => void resolve("mine")} />
        <button
          class="small"
          title={words.takeTheirsWhy}
          data-testid="take-theirs"
          onClick={() => void resolve("theirs")}
        >
          {words.takeTheirs}
        </button>
      </div>
      {comparing && (
        <CompareDialog document={document} onResolve={resolve} onClose={() => setComparing(false)} />
      )}
    </>
  );
}

const KeepButton = ({ label, why, onClick }: { label: string; why: string; onClick: () => void }) => (
  <button class="small" title={why} data-testid="keep-mine" onClick={onClick}>
    {label}
  </button>
);
