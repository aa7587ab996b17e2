// Who is signed in: the HTTP side of an account. Owns nothing; each call asks the server.
import type { Class, Person } from "../protocol";

export interface Session {
  person: Omit<Person, "folder">;
  classes: Class[];
}

export type SignInResult =
  | { kind: "signed-in"; session: Session }
  | { kind: "refused" }
  | { kind: "too-many"; seconds: number }
  | { kind: "unreachable" }
  | { kind: "failed" };

const post = (address: string, body?: object): Promise<Response> =>
  fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });

/** Nothing where nobody is signed in; throws where the server cannot be reached. */
export async function currentSession(): Promise<Session | null> {
  const response = await fetch("/api/session", { cache: "no-store" });
  if (response.ok) return (await response.json()) as Session;
  if (response.status === 401) return null;
  throw new Error(`session: ${response.status}`);
}

export async function signIn(name: string, password: string): Promise<SignInResult> {
  let response: Response;
  try {
    response = await post("/api/sign-in", { name, password });
  } catch {
    return { kind: "unreachable" };
  }
  if (response.ok) return { kind: "signed-in", session: (await response.json()) as Session };
  if (response.status === 401) return { kind: "refused" };
  if (response.status === 429) {
    return { kind: "too-many", seconds: Math.max(1, Number(response.headers.get("retry-after")) || 30) };
  }
  return { kind: response.status >= 502 ? "unreachable" : "failed" };
}

/** What this browser kept of the person goes too: the next one at this computer finds nothing. */
export async function signOut(person: number): Promise<void> {
  await post("/api/sign-out").catch(() => undefined);
  await import("../document/kept-edits").then(
    ({ eraseEdits }) => eraseEdits(person),
    () => undefined,
  );
}

export type PasswordResult = "changed" | "wrong-old" | "weak" | "failed";

export async function changePassword(old: string, changed: string): Promise<PasswordResult> {
  try {
    const response = await post("/api/password", { old, new: changed });
    if (response.ok) return "changed";
    if (response.status === 403) return "wrong-old";
    return response.status === 400 ? "weak" : "failed";
  } catch {
    return "failed";
  }
}
