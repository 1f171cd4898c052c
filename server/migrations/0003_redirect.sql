-- Where the customer has to go for a payment that waits for that; gone once it is settled.

ALTER TABLE payments ADD COLUMN redirect_url TEXT;
