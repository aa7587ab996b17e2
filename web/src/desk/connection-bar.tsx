// How the line to the server is, told only where a person should know: a quiet bar after a second, or the sign-in
// form over the page when the session ended. What was typed stays where it is.
import { useEffect, useState } from "preact/hooks";
import type { Session } from "../account/session";
import { SignInForm } from "../account/sign-in";
import { Dialog } from "../parts/dialog";
import { text } from "../text";
import type { Desk } from "./desk";

const words = text.connection;
const quietTime = 1_000;

export function ConnectionBar({ desk }: { desk: Desk }) {
  const state = desk.connection.state.value;
  const [late, setLate] = useState(false);
  const waiting = state === "lost" || state === "connecting";
  useEffect(() => {
    setLate(false);
    if (!waiting) return;
    const timer = setTimeout(() => setLate(true), quietTime);
    return () => clearTimeout(timer);
  }, [waiting]);
  if (state === "removed") {
    return (
      <div class="connection-bar removed" role="alert" data-testid="connection-bar">
        {words.removed}
      </div>
    );
  }
  if (!waiting || !late) return null;
  return (
    <div class="connection-bar" role="status" data-testid="connection-bar">
      <span class="pulse" aria-hidden="true" />
      {words.reconnecting}
      <button class="small" onClick={() => desk.connection.retryNow()}>
        {words.now}
      </button>
    </div>
  );
}

export function SignInAgain({ desk }: { desk: Desk }) {
  if (desk.connection.state.value !== "signed-out") return null;
  const { person } = desk.session;
  const onSignedIn = (session: Session) => {
    if (session.person.id === person.id) {
      desk.connection.retryNow();
      return;
    }
    // Another person's desk: what this one typed is kept under their own name.
    desk.files.flush();
    location.reload();
  };
  return (
    <Dialog title={text.signIn.again} onClose={() => undefined} firm>
      <p class="hint">{text.signIn.againWhy}</p>
      <SignInForm name={person.name} onSignedIn={onSignedIn} />
    </Dialog>
  );
}
