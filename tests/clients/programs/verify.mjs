// npm's standardwebhooks: a line of JSON in for each webhook, "verified" or why not for each of them out.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64").toString("utf8"), headers);
    console.log("verified");
  } catch (error) {
    console.log(error.message);
  }
}
