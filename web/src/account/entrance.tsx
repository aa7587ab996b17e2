// The pages before the desk: signing in, choosing a class, and what is said when neither works.
import type { ComponentChildren } from "preact";
import { Logo } from "../parts/icons";
import { entranceText as text } from "../text-entrance";
import { signOut, type Session } from "./session";
import { SignInForm } from "./sign-in";

function Entrance({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="entrance">
      <div class="entrance-card">
        <div class="brand">
          <Logo />
          <span>{text.name}</span>
        </div>
        <h1>{title}</h1>
        {children}
      </div>
      <p class="tagline">{text.tagline}</p>
    </main>
  );
}

export const SignInPage = ({ onSignedIn }: { onSignedIn: (session: Session) => void }) => (
  <Entrance title={text.signIn.title}>
    <SignInForm onSignedIn={onSignedIn} />
  </Entrance>
);

interface ClassListProps {
  session: Session;
  /** The address named a class that one is not in. */
  wrongClass: boolean;
  onSignedOut: () => void;
}

export function ClassList({ session: { classes, person }, wrongClass, onSignedOut }: ClassListProps) {
  return (
    <Entrance title={text.classes.title}>
      {wrongClass && (
        <p class="problem" role="alert">
          {text.classes.wrong}
        </p>
      )}
      {classes.length === 0 && <p>{text.classes.none}</p>}
      <ul class="class-list">
        {classes.map(({ slug, title }) => (
          <li key={slug}>
            <a href={`/c/${encodeURIComponent(slug)}/`}>{title}</a>
          </li>
        ))}
      </ul>
      <button class="wide" data-testid="sign-out" onClick={() => void signOut(person.id).then(onSignedOut)}>
        {text.signOut}
      </button>
    </Entrance>
  );
}

export const Unreachable = ({ onRetry }: { onRetry: () => void }) => (
  <Entrance title={text.name}>
    <p role="alert">{text.signIn.unreachable}</p>
    <button class="primary wide" onClick={onRetry}>
      {text.tryNow}
    </button>
  </Entrance>
);
