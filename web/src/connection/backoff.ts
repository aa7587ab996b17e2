const steps = [200, 500, 1000, 2000, 5000];

/** How long to wait before the next attempt, spread by a quarter so that a class does not come back as one. */
export function reconnectDelay(failures: number, random: () => number = Math.random): number {
  const step = steps[Math.min(failures, steps.length - 1)] ?? 5000;
  return Math.round(step * (0.75 + random() / 2));
}
