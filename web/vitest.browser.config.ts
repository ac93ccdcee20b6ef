import { defineConfig } from "vitest/config";

// One file after the other, each with servers of its own: two cores have enough to do with one browser.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    environment: "node",
    testTimeout: 40_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    pool: "forks",
    reporters: ["verbose"],
  },
});
