import { keepGuard } from '../src/drill/guard.ts';

/** The process that a drill leaves beside itself; see src/drill/guard.ts. */
export async function guard(): Promise<void> {
  await keepGuard();
}
