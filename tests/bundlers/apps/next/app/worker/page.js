"use client";
import { useEffect } from "react";
import { GreenPay, load } from "cardseal/worker";

async function use({ publicKey, card }) {
  await Promise.all([load(), load()]);
  return new GreenPay({ publicKey }).pack({ card });
}

export default function Page() {
  useEffect(() => { globalThis.use = use; }, []);
  return <p>{typeof load}</p>;
}
