// Calls a gateway through what was generated; it does not compile if the types do not fit.
import createClient from "openapi-fetch";

import { client } from "./hey/client.gen";
import { createAiModelConfig, getAiModelConfig } from "./hey/sdk.gen";
import type { paths } from "./schema";

declare const process: { argv: string[] };

const [baseUrl, first, second] = process.argv.slice(2) as [string, string, string];
const entry = { provider: "Ollama", type: "chat", model: "llama3", isPaid: false };
const body = { models: [entry], system_prompt: "Be brief." };

async function main(): Promise<void> {
  const typed = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${first}` } });
  const created = await typed.POST("/api/v1/create/ai-model-config", { body });
  const read = await typed.GET("/api/v1/get/ai-model-config", {
    params: { query: { include: ["keyState"] } },
  });
  const state: "set" | "unset" | "unreadable" | undefined = read.data?.models[0]?.keyState;

  client.setConfig({ baseUrl, auth: second });
  const other = await createAiModelConfig({ body });
  const again = await createAiModelConfig({ body });
  const found = await getAiModelConfig();
  console.log(
    JSON.stringify([
      created.response.status,
      state,
      other.data?.models[0]?.model,
      again.error?.type,
      found.data?.system_prompt,
    ]),
  );
}

void main();
