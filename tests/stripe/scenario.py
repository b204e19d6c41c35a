#!/usr/bin/env python3
"""Stripe's own Python package against the sandbox: customer, card, top-up, invoice, refund, and webhooks that its verifier takes.

  scenario.py API_BASE     prints one line of JSON: what came out
"""
import json
import queue
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

CARD = {"card_number": "4242424242424242", "exp": "12/40", "cvc": "123", "name": "Ada"}
WANTED = {"checkout.session.completed", "invoice.paid", "refund.created"}


class Receiver(BaseHTTPRequestHandler):
    taken = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.put((body, self.headers["stripe-signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fill(page):
    """Types the card into a hosted page; it sends the payer on to the shop."""
    try:
        urllib.request.build_opener(NoRedirect).open(page, urllib.parse.urlencode(CARD).encode())
    except urllib.error.HTTPError as answer:
        assert answer.status == 303, answer.status


def webhooks(secret):
    """The types of the events that came, each verified by the package; those that it must refuse are refused."""
    seen, deadline = set(), time.monotonic() + 30
    while not WANTED <= seen and time.monotonic() < deadline:
        body, signature = Receiver.taken.get(timeout=30)
        seen.add(stripe.Webhook.construct_event(body, signature, secret).type)
        for wrong in ((body + b" ", signature, secret), (body, signature, "whsec_other")):
            try:
                stripe.Webhook.construct_event(*wrong)
                raise AssertionError("a forged webhook was taken")
            except stripe.SignatureVerificationError:
                pass
    return seen


def main(base):
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = stripe.StripeClient("sk_test_scenario", base_addresses={"api": base}, http_client=stripe.UrllibClient()).v1
    endpoint = client.webhook_endpoints.create({"url": f"http://127.0.0.1:{server.server_port}/", "enabled_events": sorted(WANTED)})

    customer = client.customers.create({"email": "ada@example.com", "name": "Ada"}, {"idempotency_key": "cus:1"})
    assert client.customers.create({"email": "ada@example.com", "name": "Ada"}, {"idempotency_key": "cus:1"}).id == customer.id

    back = "http://shop.test/ok"
    setup = client.checkout.sessions.create({"mode": "setup", "currency": "usd", "customer": customer.id, "success_url": back})
    fill(setup.url)
    setup = client.checkout.sessions.retrieve(setup.id, {"expand": ["setup_intent"]})
    card = setup.setup_intent.payment_method
    client.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card}})

    price = {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Top-up"}}
    top_up = client.checkout.sessions.create({"mode": "payment", "customer": customer.id, "success_url": back,
                                              "line_items": [{"quantity": 1, "price_data": price}]})
    fill(top_up.url)
    top_up = client.checkout.sessions.retrieve(top_up.id)

    invoice = client.invoices.create({"customer": customer.id, "currency": "usd", "auto_advance": False,
                                      "pending_invoice_items_behavior": "exclude"})
    client.invoices.add_lines(invoice.id, {"lines": [{"amount": 4200, "description": "detect", "metadata": {"line_id": "7"}},
                                                     {"amount": -200, "description": "credit"}]})
    client.invoices.finalize_invoice(invoice.id)
    invoice = client.invoices.pay(invoice.id, {"off_session": True})

    refund = client.refunds.create({"payment_intent": top_up.payment_intent, "amount": 1000})
    try:
        client.payment_intents.create({"amount": 900, "currency": "usd", "customer": customer.id, "confirm": True, "off_session": True,
                                       "payment_method": "pm_card_chargeDeclined"})
        raise AssertionError("a declining card paid")
    except stripe.CardError as error:
        declined = error.code
    listed = [one.id for one in client.events.list({"limit": 5}).auto_paging_iter()]
    print(json.dumps({"setup": setup.status, "top_up": top_up.payment_status, "invoice": invoice.status, "paid": invoice.amount_paid,
                      "refund": refund.status, "declined": declined, "events": len(listed) == len(set(listed)) and len(listed) > 10,
                      "webhooks": sorted(webhooks(endpoint.secret))}))


if __name__ == "__main__":
    main(sys.argv[1])
