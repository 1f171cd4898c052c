import Controlled from './Controlled.tsx';
import Uncontrolled from './Uncontrolled.tsx';

export default function App() {
  const controlled = location.search === '?controlled';
  return (
    <main>
      <nav>
        <a href="/">Uncontrolled</a> <a href="/?controlled">Controlled</a>
      </nav>
      <h1>Checkout</h1>
      <p>
        Coffee beans, 1 kg: <strong>$24.50</strong>
      </p>
      {controlled ? <Controlled /> : <Uncontrolled />}
    </main>
  );
}
