//! Calls: admitted, reserved and committed as inference does, without a picture.

use entity::Time;
use entity::account::{self, Standing};
use entity::ids::{EventId, KeyId, RequestId};
use futures_util::future::try_join_all;

use super::house::House;
use crate::billing::allowance::{AllowanceError, Measured};
use crate::metering::limits::{LimitError, Spender};
use crate::metering::{Rejected, Usage};

/// How often a call is admitted anew when its period or its lease is gone.
const TRIES: usize = 10;

/// A call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub task: &'static str,
    pub pixels: i64,
    pub compute_us: i64,
}

/// Makes calls at once. Returns how many were refused.
pub(super) async fn make(house: &House, account: &account::Model, key: KeyId, calls: Vec<Call>) -> anyhow::Result<usize> {
    if !matches!(account.standing, Standing::Active | Standing::PastDue) {
        return Ok(calls.len());
    }
    let at = account.now(house.clock.now());
    let served = try_join_all(calls.into_iter().map(|call| serve(house, account, key, call, at))).await?;
    Ok(served.into_iter().filter(|served| !served).count())
}

async fn serve(house: &House, account: &account::Model, key: KeyId, call: Call, at: Time) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        let priced = house.allowances.price_of(&house.db, account, call.task, "elements", house.clock.now()).await;
        let admission = match priced {
            Ok(admission) => admission,
            Err(AllowanceError::Database(error)) => anyhow::bail!("no price: {error}"),
            Err(_) => return Ok(false),
        };
        let spender = Spender { account: account.id, key, period: admission.period_id, at };
        let hold = match house.metering.limits.reserve(&spender, admission.worst(1)?).await {
            Ok(hold) => hold,
            Err(LimitError::Unavailable) => anyhow::bail!("nothing could be reserved"),
            Err(_) if admission.is_old() => {
                house.allowances.forget(account.id, call.task, "elements").await;
                continue;
            }
            Err(_) => return Ok(false),
        };
        let price = admission.price(call.pixels);
        let measured = Measured { images: 1, compute_us: call.compute_us, tokens_in: 0, tokens_out: 0 };
        let usage = Usage {
            event: EventId::new(),
            price: price.price_id,
            task: call.task,
            model: "elements".into(),
            model_version: "1".into(),
            request: RequestId::new(),
            quantity: price.quantity(&measured),
            pixels: call.pixels,
            compute_us: call.compute_us,
            charge: price.charge(),
            hold,
            record: None,
        };
        match house.metering.writer.commit(usage).await {
            Ok(_) => return Ok(true),
            Err(Rejected::PeriodClosed | Rejected::Fenced) => house.allowances.forget(account.id, call.task, "elements").await,
            Err(error) => anyhow::bail!("a call was not metered: {error}"),
        }
    }
    Ok(false)
}
