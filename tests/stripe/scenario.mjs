// Stripe's own package for node against the sandbox: customer, card, top-up, invoice, refund, and webhooks that its verifier takes.
//
//   node scenario.mjs FOLDER_OF_NODE_MODULES API_BASE     prints one line of JSON: what came out
import http from "node:http";
import { createRequire } from "node:module";

const [folder, base] = process.argv.slice(2);
const Stripe = createRequire(folder)("stripe");
const WANTED = ["checkout.session.completed", "invoice.paid", "refund.created"];

const taken = [];
const receiver = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    taken.push([Buffer.concat(parts), request.headers["stripe-signature"]]);
    response.end();
  });
});
await new Promise((done) => receiver.listen(0, "127.0.0.1", done));

/** Types the card into a hosted page; it sends the payer on to the shop. */
async function fill(page) {
  const card = new URLSearchParams({ card_number: "4242424242424242", exp: "12/40", cvc: "123", name: "Ada" });
  const answer = await fetch(page, { method: "POST", body: card, redirect: "manual" });
  if (answer.status !== 303) throw new Error(`the page answered ${answer.status}`);
}

function refused(...forged) {
  try {
    stripe.webhooks.constructEvent(...forged);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return;
  }
  throw new Error("a forged webhook was taken");
}

/** The types of the events that came, each verified by the package; those that it must refuse are refused. */
async function webhooks(secret) {
  const seen = new Set();
  for (let tries = 0; tries < 300 && !WANTED.every((kind) => seen.has(kind)); tries += 1) {
    for (const [body, signature] of taken.splice(0)) {
      seen.add(stripe.webhooks.constructEvent(body, signature, secret).type);
      refused(Buffer.concat([body, Buffer.from(" ")]), signature, secret);
      refused(body, signature, "whsec_other");
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return [...seen].sort();
}

const { hostname, port } = new URL(base);
const stripe = new Stripe("sk_test_scenario", { host: hostname, port, protocol: "http", maxNetworkRetries: 0, telemetry: false });
const endpoint = await stripe.webhookEndpoints.create({ url: `http://127.0.0.1:${receiver.address().port}/`, enabled_events: WANTED });

const ada = { email: "ada@example.com", name: "Ada" };
const customer = await stripe.customers.create(ada, { idempotencyKey: "cus:1" });
const again = await stripe.customers.create(ada, { idempotencyKey: "cus:1" });
if (again.id !== customer.id) throw new Error("the key was not kept");

const success_url = "http://shop.test/ok";
let setup = await stripe.checkout.sessions.create({ mode: "setup", currency: "usd", customer: customer.id, success_url });
await fill(setup.url);
setup = await stripe.checkout.sessions.retrieve(setup.id, { expand: ["setup_intent"] });
await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: setup.setup_intent.payment_method } });

const price_data = { currency: "usd", unit_amount: 2500, product_data: { name: "Top-up" } };
let topUp = await stripe.checkout.sessions.create({ mode: "payment", customer: customer.id, success_url, line_items: [{ quantity: 1, price_data }] });
await fill(topUp.url);
topUp = await stripe.checkout.sessions.retrieve(topUp.id);

let invoice = await stripe.invoices.create({ customer: customer.id, currency: "usd", auto_advance: false, pending_invoice_items_behavior: "exclude" });
await stripe.invoices.addLines(invoice.id, { lines: [{ amount: 4200, description: "detect" }, { amount: -200, description: "credit" }] });
await stripe.invoices.finalizeInvoice(invoice.id);
invoice = await stripe.invoices.pay(invoice.id, { off_session: true });

const refund = await stripe.refunds.create({ payment_intent: topUp.payment_intent, amount: 1000 });
const declined = await stripe.paymentIntents
  .create({ amount: 900, currency: "usd", customer: customer.id, confirm: true, off_session: true, payment_method: "pm_card_chargeDeclined" })
  .then(() => { throw new Error("a declining card paid"); }, (error) => error.code);
const listed = [];
for await (const event of stripe.events.list({ limit: 5 })) listed.push(event.id);
console.log(JSON.stringify({
  setup: setup.status, top_up: topUp.payment_status, invoice: invoice.status, paid: invoice.amount_paid, refund: refund.status, declined,
  events: listed.length === new Set(listed).size && listed.length > 10, webhooks: await webhooks(endpoint.secret),
}));
receiver.close();
process.exit(0);
