// The words of the pages before the desk, apart from text.ts so that the sign-in page loads no others. A translation is a
// second file like this one and one like that.

export const count = (number: number, one: string, many: string) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export const entranceText = {
  name: "Carrel",
  tagline: "Write Python, run it, see what happens.",
  loading: "Loading…",
  signOut: "Sign out",
  tryNow: "Try now",

  signIn: {
    title: "Sign in",
    name: "Name",
    password: "Password",
    submit: "Sign in",
    busy: "Signing in…",
    refused: "Wrong name or password.",
    tooMany: (seconds: number) =>
      `Too many tries. Wait ${count(seconds, "second", "seconds")}, then try again.`,
    unreachable: "The server cannot be reached. Check the network, then try again.",
    failed: "The server could not sign you in. Try again, or tell your teacher.",
    again: "You were signed out",
    againWhy: "Sign in again to go on. What you typed is still here.",
    showPassword: "Show password",
    hidePassword: "Hide password",
  },

  classes: {
    title: "Your classes",
    none: "You are not in a class yet. Ask your teacher to add you.",
    wrong: "You are not in that class, or there is none of that name.",
  },
};
