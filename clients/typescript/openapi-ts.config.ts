import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: "openapi.json",
  output: { path: "src", importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
  parser: {
    patch: {
      operations: {
        // One route takes a file or an address; a function takes one of them, and this one the file.
        "POST /v1/images": (operation) => {
          const body = operation.requestBody as { content: Record<string, unknown> };
          delete body.content["application/json"];
        },
      },
    },
  },
});
