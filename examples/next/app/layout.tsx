import type { Metadata } from 'next';
import './globals.css';

export const metadata: Metadata = { title: 'Checkout' };

export default function RootLayout({ children }: LayoutProps<'/'>) {
  return (
    <html lang="en">
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
