'use server';

import { redirect } from 'next/navigation';

export async function order(form: FormData) {
  // Charge the token here. Somebody may have pressed the button before the page's scripts were there.
  if (!form.get('card_token')) redirect('/');
  redirect('/thanks');
}
