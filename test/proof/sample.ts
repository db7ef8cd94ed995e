/** The first so many worlds of the first so many grounds, by number. */
export function sampleOf(grounds: number, worlds: number, worldsEach: number): readonly number[] {
  return Array.from(
    { length: grounds * worlds },
    (_, at) => Math.floor(at / worlds) * worldsEach + (at % worlds),
  );
}
