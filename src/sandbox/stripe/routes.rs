//! The operations: method, path, the parameters each knows, and the function that does it.

use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    ApiError, billing_portal, checkout, credit_notes, customers, disputes, events, expand, invoice_finalize, invoice_lines, invoice_pay,
    invoice_payments, invoices, known, list::PAGING, params::Params, payment_intents, payment_methods, payments, portal_configurations,
    refunds, setup_intents, store::State, tax_ids, test_clocks, webhook_endpoints,
};

/// One parsed request.
#[derive(Debug)]
pub struct Call {
    /// HTTP method.
    pub method: Method,
    /// The path, which lists repeat as their `url`.
    pub path: String,
    /// The decoded parameters.
    pub params: Params,
    ids: Vec<String>,
    operation: &'static Operation,
}

impl Call {
    /// The id in the path.
    pub fn id(&self) -> &str {
        self.ids.first().map(String::as_str).unwrap_or_default()
    }

    /// The second id in the path.
    pub fn second(&self) -> &str {
        self.ids.get(1).map(String::as_str).unwrap_or_default()
    }
}

type Run = fn(&mut State, &Call) -> Result<Value, ApiError>;

#[derive(Debug)]
struct Operation {
    method: Method,
    path: &'static str,
    words: &'static str,
    run: Run,
}

const fn on_get(path: &'static str, words: &'static str, run: Run) -> Operation {
    Operation { method: Method::GET, path, words, run }
}

const fn on_post(path: &'static str, words: &'static str, run: Run) -> Operation {
    Operation { method: Method::POST, path, words, run }
}

const fn on_delete(path: &'static str, run: Run) -> Operation {
    Operation { method: Method::DELETE, path, words: "", run }
}

static OPERATIONS: &[Operation] = &[
    on_get("account", "expand", account),
    on_post("customers", customers::WORDS, customers::create),
    on_get("customers", "email created test_clock", customers::list),
    on_get("customers/:id", "expand", customers::get),
    on_post("customers/:id", customers::WORDS, customers::update),
    on_delete("customers/:id", customers::delete),
    on_post("customers/:id/tax_ids", "type value expand", tax_ids::create),
    on_get("customers/:id/tax_ids", "", tax_ids::list),
    on_get("customers/:id/tax_ids/:id", "expand", tax_ids::get),
    on_delete("customers/:id/tax_ids/:id", tax_ids::delete),
    on_get("customers/:id/payment_methods", "type allow_redisplay", payment_methods::of_customer),
    on_post("payment_methods", payment_methods::WORDS, payment_methods::create),
    on_get("payment_methods", "customer type allow_redisplay", payment_methods::list),
    on_get("payment_methods/:id", "expand", payment_methods::get),
    on_post("payment_methods/:id", payment_methods::UPDATE_WORDS, payment_methods::update),
    on_post("payment_methods/:id/attach", "customer expand", payment_methods::attach),
    on_post("payment_methods/:id/detach", "expand", payment_methods::detach),
    on_post("setup_intents", setup_intents::WORDS, setup_intents::create),
    on_get("setup_intents", "customer payment_method created", setup_intents::list),
    on_post("setup_intents/:id/confirm", "payment_method return_url use_stripe_sdk expand", setup_intents::confirm_call),
    on_post("setup_intents/:id/cancel", "cancellation_reason expand", setup_intents::cancel),
    on_get("setup_intents/:id", "expand client_secret", setup_intents::get),
    on_post("payment_intents", payment_intents::WORDS, payment_intents::create),
    on_get("payment_intents", "customer created", payment_intents::list),
    on_get("payment_intents/:id", "expand client_secret", payment_intents::get),
    on_post("payment_intents/:id/confirm", payment_intents::CONFIRM_WORDS, payment_intents::confirm),
    on_post("payment_intents/:id/cancel", "cancellation_reason expand", payment_intents::cancel),
    on_get("charges", "customer payment_intent created", payments::list_charges),
    on_get("charges/:id", "expand", payments::get_charge),
    on_post("checkout/sessions", checkout::WORDS, checkout::create),
    on_get("checkout/sessions", "customer payment_intent status created", checkout::list),
    on_get("checkout/sessions/:id", "expand", checkout::get),
    on_get("checkout/sessions/:id/line_items", "", checkout::line_items),
    on_post("checkout/sessions/:id/expire", "expand", checkout::expire),
    on_post("billing_portal/sessions", billing_portal::WORDS, billing_portal::create),
    on_post("billing_portal/configurations", portal_configurations::WORDS, portal_configurations::create),
    on_get("billing_portal/configurations", "active is_default", portal_configurations::list),
    on_get("billing_portal/configurations/:id", "expand", portal_configurations::get),
    on_post("billing_portal/configurations/:id", portal_configurations::WORDS, portal_configurations::update),
    on_post("invoices", invoices::WORDS, invoices::create),
    on_get("invoices", "customer status collection_method created subscription due_date", invoices::list),
    on_get("invoices/:id", "expand", invoices::get),
    on_post("invoices/:id", invoices::WORDS, invoices::update),
    on_delete("invoices/:id", invoices::delete),
    on_get("invoices/:id/lines", "", invoice_lines::list),
    on_post("invoices/:id/add_lines", invoice_lines::WORDS, invoice_lines::add),
    on_post("invoices/:id/finalize", "auto_advance expand", invoice_finalize::finalize),
    on_post("invoices/:id/pay", "forgive mandate off_session paid_out_of_band payment_method expand", invoice_pay::pay),
    on_post("invoices/:id/send", "expand", invoices::send),
    on_post("invoices/:id/void", "expand", invoices::void),
    on_post("invoices/:id/mark_uncollectible", "expand", invoices::mark_uncollectible),
    on_get("invoice_payments", "invoice status payment{type payment_intent} created", invoice_payments::list),
    on_get("invoice_payments/:id", "expand", invoice_payments::get),
    on_post("invoiceitems", invoice_lines::ITEM_WORDS, invoice_lines::create_item),
    on_post("refunds", "payment_intent charge amount reason metadata expand", refunds::create),
    on_get("refunds", "payment_intent charge created", refunds::list),
    on_get("refunds/:id", "expand", refunds::get),
    on_post("refunds/:id", "metadata expand", refunds::update),
    on_post("refunds/:id/cancel", "expand", refunds::cancel),
    on_get("disputes", "charge payment_intent created", disputes::list),
    on_get("disputes/:id", "expand", disputes::get),
    on_post("disputes/:id", disputes::WORDS, disputes::update),
    on_post("disputes/:id/close", "expand", disputes::close),
    on_post("credit_notes", credit_notes::WORDS, credit_notes::create),
    on_get("credit_notes", "customer invoice created", credit_notes::list),
    on_get("credit_notes/:id", "expand", credit_notes::get),
    on_get("credit_notes/:id/lines", "", credit_notes::lines),
    on_post("credit_notes/:id/void", "expand", credit_notes::void),
    on_post("webhook_endpoints", webhook_endpoints::WORDS, webhook_endpoints::create),
    on_get("webhook_endpoints", "", webhook_endpoints::list),
    on_get("webhook_endpoints/:id", "expand", webhook_endpoints::get),
    on_post("webhook_endpoints/:id", webhook_endpoints::UPDATE_WORDS, webhook_endpoints::update),
    on_delete("webhook_endpoints/:id", webhook_endpoints::delete),
    on_post("test_helpers/test_clocks", "frozen_time name expand", test_clocks::create),
    on_get("test_helpers/test_clocks", "", test_clocks::list),
    on_get("test_helpers/test_clocks/:id", "expand", test_clocks::get),
    on_post("test_helpers/test_clocks/:id/advance", "frozen_time expand", test_clocks::advance),
    on_delete("test_helpers/test_clocks/:id", test_clocks::delete),
    on_get("events", "type types created delivery_success", events::list),
    on_get("events/:id", "expand", events::get),
];

/// Finds the operation and checks that it knows each parameter.
pub fn route(method: &Method, path: &str, params: Params) -> Result<Call, ApiError> {
    let inside = path.strip_prefix("/v1/").unwrap_or_default().trim_end_matches('/');
    for operation in OPERATIONS {
        if operation.method != method {
            continue;
        }
        if let Some(ids) = matches(operation.path, inside) {
            let is_list = operation.method == Method::GET && (ids.is_empty() || !operation.path.ends_with(":id"));
            let words = if is_list { format!("{} {PAGING}", operation.words) } else { operation.words.to_owned() };
            known::check(params.raw(), &words)?;
            return Ok(Call { method: method.clone(), path: path.to_owned(), params, ids, operation });
        }
    }
    let message = format!("Unrecognized request URL ({method}: {path}), or one that the sandbox does not have.");
    Err(ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message))
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    let mut ids = Vec::new();
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(ids),
            (Some(":id"), Some(id)) if !id.is_empty() => ids.push(id.to_owned()),
            (Some(word), Some(same)) if word == same => {}
            _ => return None,
        }
    }
}

/// Does the call, and expands what it asked for.
pub fn run(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.frozen = test_clocks::frozen_for(state, call);
    let done = (call.operation.run)(state, call);
    state.frozen = None;
    let kept = done?;
    let mut answer = expand::public(state, &kept);
    for path in call.params.raw()["expand"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        expand::expand(state, &mut answer, path)?;
    }
    Ok(answer)
}

/// `GET /v1/account`: the one account of the sandbox.
fn account(_: &mut State, _: &Call) -> Result<Value, ApiError> {
    Ok(json!({
        "id": "acct_1LensmeterSandbx", "object": "account", "country": "US", "default_currency": "usd",
        "email": "sandbox@example.com", "charges_enabled": true, "payouts_enabled": false, "details_submitted": true,
        "created": 1_767_225_600, "type": "standard", "metadata": {},
        "settings": {"branding": {"icon": null, "logo": null, "primary_color": null, "secondary_color": null},
            "card_payments": {"statement_descriptor_prefix": null, "statement_descriptor_prefix_kana": null, "statement_descriptor_prefix_kanji": null},
            "payments": {"statement_descriptor": "LENSMETER", "statement_descriptor_kana": null, "statement_descriptor_kanji": null},
            "dashboard": {"display_name": "Lensmeter sandbox", "timezone": "Etc/UTC"}},
    }))
}
