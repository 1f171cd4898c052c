// The client of GreenPay imports types only from here, and those are gone at run time.
