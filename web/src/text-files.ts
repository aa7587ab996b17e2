// The words about trash, uploads and what a folder holds: a part of text.ts, which is where they are had from.
import { count } from "./text-entrance";

export const filesText = {
  trash: {
    title: (name: string) => `Trash of ${name}`,
    about: (days: number) =>
      `What was deleted is kept for ${count(days, "day", "days")}, or until its room is needed.`,
    moved: (name: string) => `“${name}” was moved to the trash.`,
    undo: "Undo",
    refused: (reason: string) => `It cannot go to the trash: ${reason}`,
    forGoodTitle: (name: string) => `Delete “${name}” for good?`,
    forGoodBody: "It cannot be brought back afterwards.",
    forGood: "Delete for good",
    restore: "Restore",
    restoreNamed: (path: string) => `Restore ${path}`,
    forGoodNamed: (path: string) => `Delete ${path} for good`,
    empty: "Empty the trash",
    emptyTitle: "Empty the trash?",
    emptyBody: (number: number) =>
      `${count(number, "thing is", "things are")} deleted for good and cannot be brought back.`,
    nothing: "There is nothing in the trash.",
    from: (folder: string, when: string) => `from ${folder}, ${when}`,
  },

  upload: {
    progress: (name: string, done: number, of: number) =>
      `${name}${of > 1 ? ` (${done.toLocaleString("en")} of ${of.toLocaleString("en")} done)` : ""}`,
    tooLarge: (name: string, limit: string) => `${name} is too large. One file can have ${limit}.`,
    failed: (name: string) => `${name} could not be uploaded.`,
    badName: (name: string) => `${name} has a name that cannot be used here.`,
    taken: (name: string) => `${name} was not stored: something has had that name meanwhile.`,
    full: (name: string) => `${name} was not stored: your space is full. Delete something, then try again.`,
    forbidden: (folder: string) => `You cannot put files into ${folder}.`,
    blocked: (path: string) => `The folder ${path} was left out: a file of that name is in its place.`,
    folderFailed: (path: string, reason: string) => `The folder ${path} could not be made: ${reason}`,
    failures: (number: number) => `${count(number, "thing was", "things were")} not uploaded`,
    done: (number: number, folder: string) => `${count(number, "file", "files")} uploaded to ${folder}.`,
    cancelled: (number: number) => `Stopped. ${count(number, "file was", "files were")} uploaded.`,
    cancel: "Cancel",
    oneAtATime: "Wait until the upload under way is done, or cancel it.",
    tooMany: (most: number) =>
      `That is more than ${count(most, "file", "files")}. Take a part of it at a time.`,
    noRoom: (needed: string, free: string) =>
      `There is not enough room: this needs ${needed}, and ${free} is free. Nothing was uploaded.`,
    noRoomForFiles: (needed: number, free: number) =>
      `There is not enough room: these are ${count(needed, "file", "files")}, and there may be ${free.toLocaleString("en")} more. Nothing was uploaded.`,
    conflictTitle: (name: string) => `There is a “${name}” already`,
    conflictBody: (folder: string, blocked: boolean) =>
      blocked
        ? `In ${folder} something of that name is no file, so it cannot be replaced.`
        : `In ${folder}. What should become of it?`,
    replace: "Replace it",
    keepBoth: "Keep both",
    skip: "Skip",
    forAll: (left: number) =>
      `The same for the ${left === 1 ? "other one" : `other ${left.toLocaleString("en")}`}`,
  },

  usage: {
    label: "How full your folder is",
    bytes: (used: string, most: string) => `${used} of ${most} used`,
    files: (used: number, most: number) => `${used.toLocaleString("en")} of ${count(most, "file", "files")}`,
    trash: (size: string) => `${size} more in the trash, which gives way where room is needed`,
  },
};
