-- What a repeated image costs, and how accounts share a busy device: both part of a plan's immutable version.
ALTER TABLE price ADD COLUMN cached text NOT NULL DEFAULT 'full' CHECK (cached IN ('full', 'free'));

-- Calls that are served in a row, in a round over the accounts that wait.
ALTER TABLE plan_version ADD COLUMN weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100);

-- An answer that is given again for free is an event of no units.
ALTER TABLE usage_event DROP CONSTRAINT usage_event_quantity_check;
ALTER TABLE usage_event ADD CONSTRAINT usage_event_quantity_check CHECK (quantity >= 0);
