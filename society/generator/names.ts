/** Names and places. Some are written with quotes, accents and other scripts, as real ones are. */

function listed(text: string): readonly string[] {
  return text.trim().split(/,\s+/);
}

export const WOMEN = listed(`
  Maria, Olivia, Fatima, Siobhán, Ingrid, Chloé, Zuzana, Aisha, Yuki, Mei, Anna, Sofía, Grace, Amara,
  Priya, Leila, Hanna, Camila, Noor, Elif, Astrid, Wanjiru, Tereza, Ivana, Emma, Ruth, Karen, Linda,
  Nkechi, Sakura, Lan, Dilnoza, Freya, Marta, Inês, Ольга, Ελένη, 美咲, ליאור, مريم, Joy, Tamar, Beatriz,
  Anahí, Signe, Rosa, Nadia, Eve
`);

export const MEN = listed(`
  José, Liam, Mohammed, Sean, Bjørn, Luc, Jakub, Omar, Kenji, Wei, Peter, Mateo, Samuel, Chidi, Arjun,
  Reza, Jonas, Diego, Yusuf, Mehmet, Lars, Kamau, Tomáš, Ivan, Noah, Walter, Gary, Robert, Emeka,
  Haruto, Minh, Rustam, Angus, Paweł, João, Дмитрий, Νίκος, 健太, דוד, أحمد, Ferenc, Giorgi, Thiago, Inti,
  Rasmus, Hugo, Karim, Adam
`);

export const OTHERS = listed('Alex, Robin, Sam, Kim, Noa, Charlie, Rowan, Ash');

export const SURNAMES = listed(`
  O'Connor, García, Smith, Nguyễn, Müller, Kowalski, Okafor, Tanaka, Silva, Ivanov, Khan, Andersson,
  Rossi, Dubois, Novák, Yılmaz, Kim, Chen, Patel, Cohen, Haddad, Mwangi, Jensen, van der Berg, D'Angelo,
  Fernández, Brown, Ward, Murphy, Papadopoulos, Horvat, Nagy, Popescu, Lindqvist, Virtanen, Quispe,
  Mendoza, Torres, Adeyemi, Diallo, Abebe, Rahman, Singh, Perera, Santos, Suzuki, 王, 李, Петрова,
  Saint-Pierre, MacLeod, Ó Briain, Ibrahim, Zhang, Wright, Baker, Schmidt, Weber, Moreau, Ricci, Costa,
  Jovanović, Bondarenko, Tamm, Ozols, Kazlauskas
`);

export interface City {
  readonly city: string;
  readonly country: string;
}

export const CITIES: readonly City[] = listed(`
  Lyon · France, Porto · Portugal, Kraków · Poland, Nairobi · Kenya, Lagos · Nigeria, Ōsaka · Japan,
  Hanoi · Vietnam, Mumbai · India, Valparaíso · Chile, Guadalajara · Mexico, Toronto · Canada,
  Little Rock · United States, Santa Fe · United States, Saint John's · Canada, Cork · Ireland,
  Glasgow · United Kingdom, Tromsø · Norway, Malmö · Sweden, Tartu · Estonia, Graz · Austria,
  Bologna · Italy, Θεσσαλονίκη · Greece, İzmir · Türkiye, Haifa · Israel, عمّان · Jordan,
  Auckland · New Zealand
`).map((entry) => {
  const [city = '', country = ''] = entry.split(' · ');
  return { city, country };
});
