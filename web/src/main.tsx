// Where the page begins: who is signed in and which class this is. The desk (editor, files, terminals) is a chunk of
// its own, so that the sign-in page stays small.
import { signal } from "@preact/signals";
import { render } from "preact";
import { ClassList, SignInPage, Unreachable } from "./account/entrance";
import { currentSession, type Session } from "./account/session";
import type { DeskPage } from "./desk/desk-page";
import "./settings/settings";
import "./style/base.css";
import "./style/entrance.css";
import { entranceText as text } from "./text-entrance";

type Place =
  | { kind: "loading" }
  | { kind: "unreachable" }
  | { kind: "sign-in" }
  | { kind: "classes"; session: Session; wrongClass: boolean }
  | { kind: "desk"; slug: string; session: Session; Desk: typeof DeskPage };

const place = signal<Place>({ kind: "loading" });

const slugInAddress = (): string | null => {
  const match = /^\/c\/([^/]+)/.exec(location.pathname);
  return match?.[1] === undefined ? null : decodeURIComponent(match[1]);
};

async function enter(session: Session): Promise<void> {
  const named = slugInAddress();
  const chosen = session.classes.find(({ slug }) => slug === named);
  const only = named === null && session.classes.length === 1 ? session.classes[0] : undefined;
  const here = chosen ?? only;
  if (!here) {
    place.value = { kind: "classes", session, wrongClass: named !== null };
    return;
  }
  history.replaceState(null, "", `/c/${encodeURIComponent(here.slug)}/`);
  try {
    const { DeskPage } = await import("./desk/desk-page");
    place.value = { kind: "desk", slug: here.slug, session, Desk: DeskPage };
  } catch {
    place.value = { kind: "unreachable" };
  }
}

async function begin(): Promise<void> {
  place.value = { kind: "loading" };
  try {
    const session = await currentSession();
    if (session) await enter(session);
    else place.value = { kind: "sign-in" };
  } catch {
    place.value = { kind: "unreachable" };
  }
}

function Page() {
  const here = place.value;
  switch (here.kind) {
    case "loading":
      return <p class="loading">{text.loading}</p>;
    case "unreachable":
      return <Unreachable onRetry={() => void begin()} />;
    case "sign-in":
      return <SignInPage onSignedIn={(session) => void enter(session)} />;
    case "classes":
      return (
        <ClassList
          session={here.session}
          wrongClass={here.wrongClass}
          onSignedOut={() => location.assign("/")}
        />
      );
    case "desk":
      return <here.Desk slug={here.slug} session={here.session} />;
  }
}

const host = document.getElementById("page");
if (host) render(<Page />, host);
void begin();
