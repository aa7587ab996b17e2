// Other people in a file, as a round face with a letter: the same colour and letter as their cursor.
const colors = 8;

/** A variable of base.css; the same for a person as long as they are connected. */
export const peerColor = (session: number): string => `var(--peer-${(session % colors) + 1})`;

export const peerInitial = (name: string): string => [...name][0]?.toUpperCase() ?? "?";

export const PeerFace = ({ session, name }: { session: number; name: string }) => (
  <span
    class="peer-face"
    style={{ "--peer": peerColor(session) }}
    data-initial={peerInitial(name)}
    data-testid="peer"
    data-name={name}
    title={name}
    aria-hidden="true"
  />
);
