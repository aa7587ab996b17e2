// What kind of viewer a file needs, by its name.
const pictures: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  svg: "image/svg+xml",
};

export const isPicture = (extension: string): boolean => extension in pictures;

export const pictureType = (extension: string): string => pictures[extension] ?? "application/octet-stream";
