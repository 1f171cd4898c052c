import { Component, CUSTOM_ELEMENTS_SCHEMA, signal } from '@angular/core';
import 'cardseal/card-form';

@Component({
  selector: 'app-root',
  templateUrl: './app.html',
  // Lets the template use elements that are no components of Angular.
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
})
export class App {
  protected readonly token = signal('');

  protected order(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    // Send `form` to your back end here: it has the email address and the token, which the back end charges.
    this.token.set(String(form.get('card_token')));
  }
}
