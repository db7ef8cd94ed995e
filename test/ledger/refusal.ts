import { CannotJudge } from "../../src/core/outcome.ts";

export async function refusal(run: Promise<unknown>): Promise<CannotJudge> {
  const error = await run.then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CannotJudge)) throw error;
  return error;
}
