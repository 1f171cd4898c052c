import { connection } from 'next/server';

export default async function Thanks() {
  await connection();
  return <h1>Thank you for your order.</h1>;
}
