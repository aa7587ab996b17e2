// The history of one file, as its panel shows it: which moment, what text, playing or not. Owns asking for texts, one at a
// time, and only for the last that was wished.
import { computed, signal } from "@preact/signals";
import type { Connection } from "../connection/connection";
import { momentAt, momentsOf, type Past, type StepSize } from "./past";
import type { PastView } from "./past-view";
import { Playback, type PlayedStep } from "./playback";

/** Texts of so many revisions are remembered. */
const remembered = 40;

export class FileHistory {
  readonly past = signal<Past | null>(null);
  readonly problem = signal<string | null>(null);
  readonly stepSize = signal<StepSize>("minutes");
  readonly revision = signal(0);
  readonly playing = signal(false);
  readonly speed = signal(4);
  readonly comparing = signal(false);
  /** Who typed what is shown, and when, while it plays. */
  readonly played = signal<PlayedStep | null>(null);
  readonly moments = computed(() => (this.past.value ? momentsOf(this.past.value, this.stepSize.value) : []));
  readonly index = computed(() => momentAt(this.moments.value, this.revision.value));
  private view: PastView | null = null;
  private playback: Playback | null = null;
  private readonly texts = new Map<number, string>();
  private fetching = false;

  constructor(
    private readonly connection: Pick<Connection, "request">,
    readonly path: string,
    /** How the text is called that belongs to a revision. */
    private readonly titleOf: (revision: number) => string,
    private readonly nowTitle: string,
  ) {}

  async load(view: PastView): Promise<void> {
    this.view = view;
    try {
      const past = await this.connection.request("history.list", { path: this.path });
      this.past.value = past;
      this.revision.value = past.last;
      await this.show();
    } catch (error) {
      this.fail(error);
    }
  }

  goTo(revision: number): void {
    this.pause();
    this.played.value = null;
    this.revision.value = revision;
    void this.show();
  }

  goToMoment(index: number): void {
    const moment = this.moments.peek()[Math.min(this.moments.peek().length - 1, Math.max(0, index))];
    if (moment) this.goTo(moment.revision);
  }

  /** To the moment before or after; from between two to the nearer one on that side. */
  step(by: 1 | -1): void {
    const index = this.index.peek();
    const between = this.moments.peek()[index]?.revision !== this.revision.peek();
    this.goToMoment(by < 0 && between ? index : index + by);
  }

  compare(comparing: boolean): void {
    this.pause();
    this.comparing.value = comparing;
    void this.show();
  }

  setSpeed(speed: number): void {
    this.speed.value = speed;
    if (this.playback) this.playback.speed = speed;
  }

  async play(): Promise<void> {
    const past = this.past.peek();
    if (!past || this.playing.peek()) return;
    this.comparing.value = false;
    this.playing.value = true;
    // At the end there is nothing to play but all.
    if (this.revision.peek() >= past.last) this.revision.value = past.first;
    await this.show();
    if (!this.playing.peek()) return;
    this.playback = new Playback(
      this.connection,
      this.path,
      this.revision.peek(),
      past.last,
      this.speed.peek(),
      (step) => this.playStep(step),
      (error) => {
        this.pause();
        if (error !== undefined) this.fail(error);
      },
    );
  }

  pause(): void {
    // The server may not have the text in the middle of a step; here it is.
    if (this.playback) this.texts.set(this.revision.peek(), this.text());
    this.playback?.stop();
    this.playback = null;
    this.playing.value = false;
  }

  text(): string {
    return this.view?.text ?? "";
  }

  close(): void {
    this.pause();
    this.view = null;
  }

  private playStep(step: PlayedStep): void {
    try {
      this.view?.play(step.changes);
    } catch (error) {
      this.pause();
      this.fail(error);
      return;
    }
    this.played.value = step;
    this.revision.value = step.revision;
  }

  private async show(): Promise<void> {
    if (this.fetching) return;
    this.fetching = true;
    try {
      for (;;) {
        const revision = this.revision.peek();
        const [text, now] = [await this.textOf(revision), await this.nowText()];
        if (revision !== this.revision.peek()) continue;
        const title = this.titleOf(revision);
        if (this.comparing.peek())
          this.view?.showComparison({ title, text }, { title: this.nowTitle, text: now });
        else this.view?.showText(text);
        this.problem.value = null;
        return;
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.fetching = false;
    }
  }

  private async nowText(): Promise<string> {
    return this.comparing.peek() ? this.textOf(this.past.peek()?.last ?? 0) : "";
  }

  private async textOf(revision: number): Promise<string> {
    const known = this.texts.get(revision);
    if (known !== undefined) return known;
    const { text } = await this.connection.request("history.text", { path: this.path, revision });
    this.texts.set(revision, text);
    const oldest = this.texts.keys().next();
    if (this.texts.size > remembered && !oldest.done) this.texts.delete(oldest.value);
    return text;
  }

  private fail(error: unknown): void {
    this.problem.value = error instanceof Error ? error.message : String(error);
  }
}
