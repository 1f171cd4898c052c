-- Lists of payments by their status. Nearly all are approved, and every one is in flight for a moment: they stay out.

CREATE INDEX payments_by_status ON payments (status, seq) WHERE status NOT IN ('in_flight', 'approved');

DROP INDEX payments_by_customer;
CREATE INDEX payments_by_customer ON payments (customer, seq) WHERE customer IS NOT NULL;
