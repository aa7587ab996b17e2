// Sizes for a person, of 1024 as the server's.

const units = ["B", "KB", "MB", "GB", "TB"];

/** "3.4 MB": two digits where that says more. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 10 && value % 1 !== 0 ? 1 : 0;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${units[unit]}`;
}
