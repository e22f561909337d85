/** The umask: the same for every stage, whoever runs bake; the user's own is kept in mind for what is put into the checkout. */

/** What git, compilers and archives of reproducible builds are used to. */
const STAGE_UMASK = 0o022;

let users: number | null = null;

/** The umask that bake was started with. */
export function userUmask(): number {
  // It can only be seen by setting it.
  if (users === null) {
    const found = process.umask(STAGE_UMASK);
    process.umask(found);
    return found;
  }
  return users;
}

/** From now on 022 holds for this process and every child. */
export function useStageUmask(): void {
  users ??= process.umask(STAGE_UMASK);
}
